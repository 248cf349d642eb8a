import { CreateStorageDomain } from '#contracts';
import { SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { optionsOf } from '../parts/filters.js';

const KINDS = [
  { value: 'local', label: 'Local: a folder of each host’s own' },
  { value: 'shared', label: 'Shared: one folder that all hosts mount' },
];

export function CreateStorageDomainDialog({ onSaved, onClose }: { onSaved: () => void; onClose: () => void }) {
  const { client } = useSession();
  const { clusters } = useInventory();
  const form = useForm({
    schema: CreateStorageDomain,
    initial: { name: '', clusterId: clusters[0]?.id ?? '', kind: 'local', path: 'disks' },
  });
  const save = async () => {
    const done = await form.submit((body) => client.storageDomains.create(body));
    if (!done) return;
    onSaved();
    onClose();
  };
  return (
    <FormDialog title="Create storage domain" form={form} verb="Create" onClose={onClose} onSubmit={() => void save()}>
      <TextField form={form} name="name" label="Name" isRequired />
      <SelectField form={form} name="kind" label="Kind" isRequired options={KINDS} />
      <TextField
        form={form}
        name="path"
        label="Folder"
        isRequired
        isMonospace
        help="A local one may be relative to the agent's folder; a shared one is absolute, and the same on all hosts."
      />
      {clusters.length > 1 && (
        <SelectField form={form} name="clusterId" label="Cluster" isRequired options={optionsOf(clusters)} />
      )}
    </FormDialog>
  );
}
