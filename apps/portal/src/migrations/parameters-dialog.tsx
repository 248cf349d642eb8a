import { MigrationParameters, type MigrationView } from '#contracts';
import { NumberField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useSession } from '../live/session.js';

export function ParametersDialog({ migration, onClose }: { migration: MigrationView; onClose: () => void }) {
  const { client } = useSession();
  const form = useForm({ schema: MigrationParameters, initial: {} });
  return (
    <FormDialog
      title={`Limits of ${migration.vmName}'s migration`}
      description="Changed while it runs, for this migration alone. A field left empty stays as it is."
      form={form}
      verb="Change limits"
      onClose={onClose}
      onSubmit={() =>
        void form
          .submit((body) => client.migrations.setParameters(migration.id, body))
          .then((done) => done && onClose())
      }
    >
      <NumberField
        form={form}
        name="downtimeLimitMs"
        label="Downtime limit"
        unit="ms"
        step={1}
        help="Longest pause of the guest. A higher one lets a guest that writes fast converge."
      />
      <NumberField
        form={form}
        name="bandwidthMiBps"
        label="Bandwidth limit"
        unit="MiB/s"
        help="A higher one ends sooner, and takes more of the network."
      />
    </FormDialog>
  );
}
