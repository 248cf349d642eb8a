import { z } from 'zod';
import { type AffinityRule, type ClusterView, Name } from '#contracts';
import { CheckField, NumberField, SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';

const AffinityForm = z.object({
  name: Name,
  vms: z.enum(['together', 'apart']).nullable(),
  hosts: z.enum(['on', 'off']).nullable(),
  isHard: z.boolean(),
  priority: z.number().min(1).max(1000),
  vmNames: z.string(),
  vmLabels: z.string(),
  hostNames: z.string(),
  hostLabels: z.string(),
});

const words = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '');

const ruleOf = (choice: string | null, positively: string, enforcing: boolean): AffinityRule | undefined =>
  choice === null ? undefined : { enabled: true, positive: choice === positively, enforcing };

interface AffinityDialogProps {
  readonly cluster: ClusterView;
  readonly onSaved: () => void;
  readonly onClose: () => void;
}

export function AffinityDialog({ cluster, onSaved, onClose }: AffinityDialogProps) {
  const { client } = useSession();
  const { hosts, vms } = useInventory();
  const form = useForm({
    schema: AffinityForm,
    initial: {
      name: '',
      vms: 'apart',
      hosts: null,
      isHard: true,
      priority: 1,
      vmNames: '',
      vmLabels: '',
      hostNames: '',
      hostLabels: '',
    },
  });
  const idsOf = (text: string, known: readonly { id: string; name: string; clusterId: string }[]) =>
    words(text).map((name) => {
      const found = known.find((one) => one.name === name && one.clusterId === cluster.id);
      if (!found) throw new Error(`there is no ${name} in ${cluster.name}`);
      return found.id;
    });
  const save = async () => {
    const done = await form.submit(async (body) =>
      client.affinityGroups.create({
        clusterId: cluster.id,
        name: body.name,
        priority: body.priority,
        vmsRule: ruleOf(body.vms, 'together', body.isHard),
        hostsRule: ruleOf(body.hosts, 'on', body.isHard),
        vmIds: idsOf(body.vmNames, vms),
        vmLabels: words(body.vmLabels),
        hostIds: idsOf(body.hostNames, hosts),
        hostLabels: words(body.hostLabels),
      }),
    );
    if (!done) return;
    onSaved();
    onClose();
  };
  return (
    <FormDialog
      title={`Create affinity group in ${cluster.name}`}
      form={form}
      verb="Create"
      onClose={onClose}
      onSubmit={() => void save()}
    >
      <TextField form={form} name="name" label="Name" isRequired />
      <SelectField
        form={form}
        name="vms"
        label="Its VMs run"
        none="wherever"
        options={[
          { value: 'together', label: 'together on one host' },
          { value: 'apart', label: 'apart, each on another host' },
        ]}
      />
      <SelectField
        form={form}
        name="hosts"
        label="and"
        none="on any host"
        options={[
          { value: 'on', label: 'on its hosts alone' },
          { value: 'off', label: 'not on its hosts' },
        ]}
      />
      <TextField form={form} name="vmNames" label="VMs" help="Names, with commas between them." />
      <TextField form={form} name="vmLabels" label="VMs with a label" />
      <TextField form={form} name="hostNames" label="Hosts" help="Names, with commas between them." />
      <TextField form={form} name="hostLabels" label="Hosts with a label" />
      <CheckField form={form} name="isHard" label="Hard" help="No policy and no person breaks it; otherwise a wish." />
      <NumberField form={form} name="priority" label="Priority" help="Of soft rules the higher wins." />
    </FormDialog>
  );
}
