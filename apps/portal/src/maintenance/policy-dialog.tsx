import { useQueryClient } from '@tanstack/react-query';
import { type ClusterView, HealthKind, type MaintenancePolicyView } from '#contracts';
import { Checkbox, FormFieldGroup, FormFieldGroupHeader, FormGroup } from '@patternfly/react-core';
import { CheckField, NumberField, SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { type Form, useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { formOf, PolicyForm, policyOf } from './policy-form.js';
import { MAINTENANCE } from './use-maintenance.js';
import { CHOICE_WORDS, HEALTH_WORDS } from './words.js';

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
        <TextField
          form={form}
          name="cron"
          label="Window opens"
          isMonospace
          help="Minute, hour, day, month, weekday; empty: no window."
        />
        <TextField form={form} name="timeZone" label="Time zone" />
        <NumberField form={form} name="durationMinutes" label="Window lasts" unit="min" step={1} />
        <CheckField form={form} name="onWindow" label="Each time that the window opens" />
        <SelectField
          form={form}
          name="health"
          label="When a host is not well"
          none="not because of that"
          options={[
            { value: 'failed', label: 'when a check has failed' },
            { value: 'warning', label: 'when a check warns or has failed' },
          ]}
        />
        {form.values.health !== null && <HealthKinds form={form} />}
        <NumberField form={form} name="failures" label="After failed migrations within an hour" step={1} emptyIsNull />
        <CheckField form={form} name="onRequest" label="When another system asks for it" />
        <SelectField
          form={form}
          name="when"
          label="Such a host is emptied"
          options={[
            { value: 'in_window', label: 'in the next window' },
            { value: 'at_once', label: 'at once' },
          ]}
        />
      </Section>
      <Section title="What happens">
        <SelectField
          form={form}
          name="onBlocked"
          label="A VM that cannot leave"
          options={Object.entries(CHOICE_WORDS).map(([value, label]) => ({ value, label }))}
        />
        <TextField
          form={form}
          name="command"
          label="Command"
          isMonospace
          help="An executable of the hosts’ folder maintenance.d; empty: none."
        />
        <TextField form={form} name="arguments" label="Arguments" isMonospace />
        <CheckField form={form} name="restarts" label="The command restarts the host" />
        <CheckField
          form={form}
          name="powerCycle"
          label="Switched off and on again"
          help="By its power management, where there is no command."
        />
        <CheckField form={form} name="activate" label="A healthy host takes VMs again" />
        <CheckField form={form} name="returnVms" label="VMs that had to leave come back" />
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

function HealthKinds({ form }: { form: Form }) {
  const chosen = form.values.kinds as readonly string[];
  return (
    <FormGroup role="group" label="Checks that count">
      <div className="checks">
        {HealthKind.options.map((kind) => (
          <Checkbox
            key={kind}
            id={`health-${kind}`}
            label={HEALTH_WORDS[kind]}
            isChecked={chosen.includes(kind)}
            onChange={(_, checked) =>
              form.set('kinds', checked ? [...chosen, kind] : chosen.filter((each) => each !== kind))
            }
          />
        ))}
      </div>
    </FormGroup>
  );
}
