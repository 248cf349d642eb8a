/** Creates an affinity group, or changes one; meanwhile it tells who would break its rules. */
import { Alert } from '@patternfly/react-core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useDeferredValue } from 'react';
import { z } from 'zod';
import { type AffinityGroupView, type AffinityRule, type ClusterView, Name } from '#contracts';
import { CheckField, NumberField, SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { plural } from '../parts/figures.js';

const AffinityForm = z.object({
  name: Name,
  vms: z.enum(['together', 'apart']).nullable(),
  areVmsHard: z.boolean(),
  hosts: z.enum(['on', 'off']).nullable(),
  areHostsHard: z.boolean(),
  priority: z.number().min(1).max(1000),
  vmNames: z.string(),
  vmLabels: z.string(),
  hostNames: z.string(),
  hostLabels: z.string(),
});
type AffinityForm = z.infer<typeof AffinityForm>;

interface Member {
  readonly id: string;
  readonly name: string;
}

const words = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '');

const ruleOf = (choice: string | null, positively: string, enforcing: boolean): AffinityRule => ({
  enabled: choice !== null,
  positive: choice === positively,
  enforcing,
});

/** Throws an Error that names who is not there. */
const idsOf = (text: string, known: readonly Member[], noun: string) =>
  words(text).map((name) => {
    const found = known.find((one) => one.name === name);
    if (!found) throw new Error(`there is no ${noun} ${name} in this cluster`);
    return found.id;
  });

const namesOf = (ids: readonly string[], known: readonly Member[]) =>
  ids.flatMap((id) => known.find((one) => one.id === id)?.name ?? []).join(', ');

function groupOf(form: AffinityForm, vms: readonly Member[], hosts: readonly Member[]) {
  return {
    name: form.name,
    priority: form.priority,
    vmsRule: ruleOf(form.vms, 'together', form.areVmsHard),
    hostsRule: ruleOf(form.hosts, 'on', form.areHostsHard),
    vmIds: idsOf(form.vmNames, vms, 'VM'),
    vmLabels: words(form.vmLabels),
    hostIds: idsOf(form.hostNames, hosts, 'host'),
    hostLabels: words(form.hostLabels),
  };
}

function valuesOf(group: AffinityGroupView, vms: readonly Member[], hosts: readonly Member[]): AffinityForm {
  const { vmsRule, hostsRule } = group;
  return {
    name: group.name,
    vms: vmsRule.enabled ? (vmsRule.positive ? 'together' : 'apart') : null,
    areVmsHard: vmsRule.enforcing,
    hosts: hostsRule.enabled ? (hostsRule.positive ? 'on' : 'off') : null,
    areHostsHard: hostsRule.enforcing,
    priority: group.priority,
    vmNames: namesOf(group.vmIds, vms),
    vmLabels: group.vmLabels.join(', '),
    hostNames: namesOf(group.hostIds, hosts),
    hostLabels: group.hostLabels.join(', '),
  };
}

const NEW: AffinityForm = {
  name: '',
  vms: 'apart',
  areVmsHard: true,
  hosts: null,
  areHostsHard: true,
  priority: 1,
  vmNames: '',
  vmLabels: '',
  hostNames: '',
  hostLabels: '',
};

interface AffinityDialogProps {
  readonly cluster: ClusterView;
  /** Absent: a new one. */
  readonly group?: AffinityGroupView | undefined;
  readonly onSaved: () => void;
  readonly onClose: () => void;
}

export function AffinityDialog({ cluster, group, onSaved, onClose }: AffinityDialogProps) {
  const { client } = useSession();
  const inventory = useInventory();
  const isHere = ({ clusterId }: { clusterId: string }) => clusterId === cluster.id;
  const vms = inventory.vms.filter(isHere);
  const hosts = inventory.hosts.filter(isHere);
  const form = useForm({ schema: AffinityForm, initial: group ? valuesOf(group, vms, hosts) : NEW });
  const save = async () => {
    const done = await form.submit(async (body) => {
      const wanted = groupOf(body, vms, hosts);
      return group
        ? client.affinityGroups.update(group.id, wanted)
        : client.affinityGroups.create({ clusterId: cluster.id, ...wanted });
    });
    if (!done) return;
    onSaved();
    onClose();
  };
  return (
    <FormDialog
      title={group ? `Change ${group.name}` : `Create affinity group in ${cluster.name}`}
      form={form}
      verb={group ? 'Save' : 'Create'}
      onClose={onClose}
      onSubmit={() => void save()}
    >
      <Consequences cluster={cluster} id={group?.id} values={form.values} vms={vms} hosts={hosts} />
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
      {form.values.vms !== null && (
        <CheckField form={form} name="areVmsHard" label="Hard" help="No policy and no person breaks it; else a wish." />
      )}
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
      {form.values.hosts !== null && (
        <CheckField form={form} name="areHostsHard" label="Hard, for hosts" help="As for VMs." />
      )}
      <TextField form={form} name="vmNames" label="VMs" help="Names, with commas between them." />
      <TextField form={form} name="vmLabels" label="VMs with a label" />
      <TextField form={form} name="hostNames" label="Hosts" help="Names, with commas between them." />
      <TextField form={form} name="hostLabels" label="Hosts with a label" />
      <NumberField form={form} name="priority" label="Priority" help="Of soft rules the higher wins." />
    </FormDialog>
  );
}

interface ConsequencesProps {
  readonly cluster: ClusterView;
  readonly id: string | undefined;
  readonly values: Readonly<Record<string, unknown>>;
  readonly vms: readonly Member[];
  readonly hosts: readonly Member[];
}

/** So often it is asked again: VMs move meanwhile. */
const REFRESH_MS = 5000;

/** What would come of the group as it stands in the form; nothing while that is not complete. */
function Consequences({ cluster, id, values, vms, hosts }: ConsequencesProps) {
  const { client } = useSession();
  const draft = useDeferredValue(draftOf(values, vms, hosts));
  const { data } = useQuery({
    queryKey: ['affinity-check', cluster.id, id, draft],
    queryFn: () => client.affinityGroups.check({ clusterId: cluster.id, ...draft!, ...(id !== undefined && { id }) }),
    enabled: draft !== null,
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
    retry: false,
  });
  if (!draft || !data) return null;
  const { violations, conflicts } = data;
  return (
    <div role="status" aria-label="What would come of it">
      {conflicts.map((reason) => (
        <Alert key={reason} isInline isPlain variant="danger" title={`It would be refused: ${reason}`} />
      ))}
      {violations.length === 0 ? (
        <Alert isInline isPlain variant="success" title="No VM breaks it now." />
      ) : (
        <Alert isInline isPlain variant="warning" title={`${plural(violations.length, 'VM')} would break it now`}>
          {violations.map(({ vmId, vmName, reason }) => (
            <div key={`${vmId} ${reason}`}>
              <b>{vmName}</b> {reason}
            </div>
          ))}
        </Alert>
      )}
    </div>
  );
}

function draftOf(values: ConsequencesProps['values'], vms: readonly Member[], hosts: readonly Member[]) {
  const parsed = AffinityForm.safeParse({ ...values, name: values.name || 'this-group' });
  if (!parsed.success) return null;
  try {
    return groupOf(parsed.data, vms, hosts);
  } catch {
    return null; // a name that is half typed is nobody's yet; saving tells
  }
}
