import { StartVm, type VmView } from '#contracts';
import { SelectField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { hostOptions } from './host-options.js';

export function StartDialog({ vm, onClose }: { vm: VmView; onClose: () => void }) {
  const { client } = useSession();
  const { hosts } = useInventory();
  const form = useForm({ schema: StartVm, initial: { hostId: null } });
  return (
    <FormDialog
      title={`Start ${vm.name}`}
      form={form}
      verb="Start"
      onClose={onClose}
      onSubmit={() => void form.submit((body) => client.vms.start(vm.id, body)).then((done) => done && onClose())}
    >
      <SelectField
        form={form}
        name="hostId"
        label="Host"
        none="Let the scheduler choose"
        options={hostOptions(hosts, vm)}
      />
    </FormDialog>
  );
}
