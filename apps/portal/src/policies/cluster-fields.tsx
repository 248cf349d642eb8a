/** What a cluster has besides its scheduling policy. */
import { CheckField, NumberField, SelectField, TextField } from '../forms/fields.js';
import { type Form, groupOf } from '../forms/form.js';
import { optionsOf } from '../parts/filters.js';
import { PLAN_MODES } from './plan-words.js';
import { useMigrationPolicies } from './use-migration-policies.js';

export function ClusterFields({ form, noPolicy }: { form: Form; noPolicy?: string }) {
  const { data: policies = [] } = useMigrationPolicies();
  return (
    <>
      <TextField form={form} name="name" label="Name" isRequired />
      <TextField form={form} name="description" label="Description" />
      <SelectField
        form={form}
        name="migrationPolicyId"
        label="Migration policy"
        none={noPolicy}
        options={optionsOf(policies)}
        help="How VMs move, unless a VM has a policy of its own."
      />
      <SelectField
        form={form}
        name="planMode"
        label="Plans"
        options={Object.entries(PLAN_MODES).map(([value, { title, help }]) => ({ value, label: `${title}: ${help}` }))}
        help="Hosts that people empty are emptied in any mode."
      />
      <div className="field-row">
        <NumberField
          form={form}
          name="cooldownSeconds"
          label="Cooldown"
          unit="s"
          isRequired
          step={1}
          help="After a move, policies leave a VM where it is for so long."
        />
        <NumberField
          form={form}
          name="maxMigrationsPerHost"
          label="Migrations per host"
          unit="at once"
          isRequired
          step={1}
          help="Counted on both ends, 1 to 16."
        />
        <NumberField
          form={form}
          name="haReservation"
          label="Hosts that may fail"
          unit="at once"
          step={1}
          help="Memory is kept free for their VMs."
        />
        <NumberField
          form={form}
          name="checkpointLimitMiB"
          label="Checkpoints per host"
          unit="MiB"
          step={1}
          help="Disk for the memory of VMs that left, for their return. 0: none."
        />
      </div>
      <FencingFields form={groupOf(form, 'fencing')} />
    </>
  );
}

const FencingFields = ({ form }: { form: Form }) => (
  <>
    <CheckField
      form={form}
      name="enabled"
      label="Hosts that are lost are fenced"
      help="Their power is cut, so that what ran there runs nowhere; highly available VMs are then started elsewhere."
    />
    {form.values.enabled === true && (
      <CheckField
        form={form}
        name="restart"
        label="A fenced host is switched on again"
        help="One that is fenced again within an hour stays off."
      />
    )}
    {form.values.enabled === true && (
      <div className="field-row">
        <NumberField
          form={form}
          name="graceSeconds"
          label="After silence of"
          unit="s"
          isRequired
          step={1}
          help="Meanwhile its kernel may write a dump."
        />
        <NumberField
          form={form}
          name="skipIfSilentPercent"
          label="Not while more are silent than"
          unit="% of hosts"
          isRequired
          step={1}
          help="Then it is rather the network."
        />
        <NumberField
          form={form}
          name="hostsAtOnce"
          label="Hosts fenced"
          unit="at once"
          isRequired
          step={1}
          help="The others wait, and may come back."
        />
      </div>
    )}
  </>
);
