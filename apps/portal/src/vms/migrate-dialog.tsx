import { useNavigate } from 'react-router';
import { MigrateVm, type VmView } from '#contracts';
import { SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { useMigrationPolicies } from '../policies/use-migration-policies.js';
import { hostOptions } from './host-options.js';

export function MigrateDialog({ vm, onClose }: { vm: VmView; onClose: () => void }) {
  const { client } = useSession();
  const { hosts } = useInventory();
  const navigate = useNavigate();
  const form = useForm({
    schema: MigrateVm,
    initial: { destinationHostId: null, reason: '', migrationPolicyId: undefined },
  });
  const { data: policies = [] } = useMigrationPolicies();
  const migrate = () =>
    form.submit(async ({ destinationHostId, reason, migrationPolicyId }) => {
      const body = { destinationHostId, reason: reason || undefined, migrationPolicyId };
      const migration = await client.vms.migrate(vm.id, body);
      await navigate(`/migrations/${migration.id}`);
    });
  return (
    <FormDialog
      title={`Migrate ${vm.name}`}
      description="The VM moves while it runs; its guest pauses only for the switchover."
      form={form}
      verb="Migrate"
      onClose={onClose}
      onSubmit={() => void migrate().then((done) => done && onClose())}
    >
      <SelectField
        form={form}
        name="destinationHostId"
        label="Destination"
        none="Let the scheduler choose"
        options={hostOptions(hosts, { ...vm, notOn: vm.hostId })}
      />
      <SelectField
        form={{ ...form, set: (name, value) => form.set(name, value ?? undefined) }}
        name="migrationPolicyId"
        label="Migration policy"
        none="That of the VM or its cluster"
        options={policies.map(({ id, name }) => ({ value: id, label: name }))}
      />
      <TextField form={form} name="reason" label="Reason" help="Kept with the migration; may be left empty." />
    </FormDialog>
  );
}
