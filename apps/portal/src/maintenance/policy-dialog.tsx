import { useQueryClient } from '@tanstack/react-query';
import type { ClusterView, MaintenancePolicyView } from '#contracts';
import { FormFieldGroup, FormFieldGroupHeader } from '@patternfly/react-core';
import { NumberField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { formOf, PolicyForm, policyOf } from './policy-form.js';
import { ProcedureFields } from './procedure-fields.js';
import { TriggerFields, WindowFields } from './trigger-fields.js';
import { MAINTENANCE } from './use-maintenance.js';

interface PolicyDialogProps {
  readonly cluster: ClusterView;
  /** Undefined: a new one. */
  readonly policy: MaintenancePolicyView | undefined;
  readonly onClose: () => void;
}

export function MaintenancePolicyDialog({ cluster, policy, onClose }: PolicyDialogProps) {
  const { client } = useSession();
  const queries = useQueryClient();
  const { hosts } = useInventory();
  const members = hosts.filter(({ clusterId }) => clusterId === cluster.id);
  const form = useForm({
    schema: PolicyForm,
    initial: formOf(policy, (id) => members.find((host) => host.id === id)?.name ?? id),
  });
  const idOf = (name: string) => {
    const found = members.find((host) => host.name === name || host.id === name);
    if (!found) throw new Error(`there is no host ${name} in ${cluster.name}`);
    return found.id;
  };
  const save = async () => {
    const done = await form.submit(async (values) => {
      const body = policyOf(values, idOf);
      if (policy) return client.maintenancePolicies.update(policy.id, { ...body, version: policy.version });
      return client.maintenancePolicies.create({ ...body, clusterId: cluster.id });
    });
    if (!done) return;
    await queries.invalidateQueries({ queryKey: MAINTENANCE });
    onClose();
  };
  return (
    <FormDialog
      title={policy ? `Change ${policy.name}` : `Create maintenance policy in ${cluster.name}`}
      description={policy && `Makes version ${policy.version + 1}. Runs under way go on as they began.`}
      form={form}
      wide
      verb={policy ? 'Save' : 'Create'}
      onClose={onClose}
      onSubmit={() => void save()}
    >
      <TextField form={form} name="name" label="Name" isRequired />
      <TextField form={form} name="description" label="Description" />
      <Section title="Which hosts" description="All of the cluster if neither is given.">
        <TextField form={form} name="hostNames" label="Hosts" help="Names, with commas between them." />
        <TextField form={form} name="hostLabels" label="Hosts with a label" />
        <NumberField
          form={form}
          name="hostsAtOnce"
          label="At once"
          step={1}
          help="The size of a group; it stops at the first that fails."
        />
      </Section>
      <Section title="When">
        <WindowFields form={form} />
        <TriggerFields form={form} />
        <NumberField
          form={form}
          name="quietMinutes"
          label="Quiet time"
          unit="min"
          step={1}
          isRequired
          help="So long after its maintenance a host is left alone, though the same is the matter with it."
        />
      </Section>
      <Section title="What happens">
        <ProcedureFields form={form} />
      </Section>
    </FormDialog>
  );
}

const Section = ({
  title,
  description,
  children,
}: {
  title: string;
  description?: string;
  children: React.ReactNode;
}) => (
  <FormFieldGroup
    header={
      <FormFieldGroupHeader
        titleText={{ text: title, id: `section-${title.replaceAll(' ', '-')}` }}
        titleDescription={description}
      />
    }
  >
    {children}
  </FormFieldGroup>
);
