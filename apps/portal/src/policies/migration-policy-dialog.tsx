import { CreateMigrationPolicy, type MigrationEncryption, type MigrationPolicyView } from '#contracts';
import { CheckField, NumberField, SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useSession } from '../live/session.js';
import { ConvergenceFields } from './convergence-fields.js';

const ENCRYPTION: readonly { value: MigrationEncryption; label: string }[] = [
  { value: 'auto', label: 'Between machines' },
  { value: 'always', label: 'Always' },
  { value: 'never', label: 'Never' },
];

interface MigrationPolicyDialogProps {
  /** The one to edit; without it a new one is made. */
  readonly policy?: MigrationPolicyView;
  readonly onSaved: () => void;
  readonly onClose: () => void;
}

export function MigrationPolicyDialog({ policy, onSaved, onClose }: MigrationPolicyDialogProps) {
  const { client } = useSession();
  const { name, description, downtimeLimitMs, bandwidthMiBps, timeoutSeconds, convergence, ...passage } =
    policy ?? CreateMigrationPolicy.parse({ name: 'new' });
  const { encryption, tunnelled, bandwidthSharePercent, keepCheckpoints } = passage;
  const limits = { downtimeLimitMs, bandwidthMiBps, timeoutSeconds, convergence };
  const form = useForm({
    schema: CreateMigrationPolicy,
    initial: {
      ...{ name: policy ? name : '', description, ...limits },
      ...{ encryption, tunnelled, bandwidthSharePercent, keepCheckpoints },
    },
  });
  const save = async () => {
    const done = await form.submit((body) =>
      policy ? client.migrationPolicies.update(policy.id, body) : client.migrationPolicies.create(body),
    );
    if (!done) return;
    onSaved();
    onClose();
  };
  return (
    <FormDialog
      title={policy ? `Edit ${policy.name}` : 'Create migration policy'}
      form={form}
      verb={policy ? 'Save' : 'Create'}
      onClose={onClose}
      onSubmit={() => void save()}
    >
      <TextField form={form} name="name" label="Name" isRequired />
      <TextField form={form} name="description" label="Description" />
      <NumberField
        form={form}
        name="downtimeLimitMs"
        label="Downtime limit"
        unit="ms"
        isRequired
        step={1}
        help="Longest pause of the guest at the switchover."
      />
      <NumberField
        form={form}
        name="bandwidthMiBps"
        label="Bandwidth limit"
        unit="MiB/s"
        emptyIsNull
        help="Of one migration. Empty: no limit."
      />
      <NumberField
        form={form}
        name="timeoutSeconds"
        label="Time limit"
        unit="s"
        isRequired
        step={1}
        help="A migration that takes longer is cancelled; the VM runs on at the source."
      />
      <CheckField
        form={form}
        name="keepCheckpoints"
        label="Hosts may keep the memory of VMs that left"
        help="Of a VM that comes back, only what has changed is sent. Off: no host has on its disk what guests know."
      />
      <NumberField
        form={form}
        name="bandwidthSharePercent"
        label="Share of the link"
        unit="%"
        emptyIsNull
        step={1}
        help="Of a host's link, for all its migrations together, where its speed is known. Empty: all of it."
      />
      <SelectField
        form={form}
        name="encryption"
        label="Encryption"
        options={ENCRYPTION}
        help="TLS for memory, disks and post-copy; both hosts show certificates."
      />
      <CheckField
        form={form}
        name="tunnelled"
        label="Tunnelled"
        help="All connections go through the agents to one port, always encrypted. Costs the hosts CPU."
      />
      <ConvergenceFields form={form} />
    </FormDialog>
  );
}
