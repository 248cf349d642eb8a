import { z } from 'zod';
import { UpdateVm, VmPlacement, type VmView } from '#contracts';
import { CheckField, NumberField, SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useSession } from '../live/session.js';
import { optionsOf } from '../parts/filters.js';
import { useMigrationPolicies } from '../policies/use-migration-policies.js';
import { HA_HELP, PLACEMENT_WORDS, PRIORITY_HELP } from './vm-words.js';

const { priority, migrationPolicyId, labels } = UpdateVm.shape;

const EditForm = z.object({
  priority: priority.unwrap(),
  highAvailability: z.boolean(),
  placement: VmPlacement,
  labels: z
    .string()
    .transform((text) => text.split(/[\s,]+/).filter((word) => word !== ''))
    .pipe(labels.unwrap()),
  migrationPolicyId: migrationPolicyId.unwrap(),
});

/** What may change while the VM runs. */
export function EditVmDialog({ vm, onClose }: { vm: VmView; onClose: () => void }) {
  const { client } = useSession();
  const { data: policies = [] } = useMigrationPolicies();
  const form = useForm({
    schema: EditForm,
    initial: {
      ...{ priority: vm.priority, placement: vm.placement, migrationPolicyId: vm.migrationPolicyId },
      labels: vm.labels.join(', '),
      highAvailability: vm.highAvailability,
    },
  });
  return (
    <FormDialog
      title={`Change ${vm.name}`}
      form={form}
      verb="Save"
      onClose={onClose}
      onSubmit={() => void form.submit((body) => client.vms.update(vm.id, body)).then((done) => done && onClose())}
    >
      <NumberField form={form} name="priority" label="Priority" step={1} isRequired help={PRIORITY_HELP} />
      <CheckField form={form} name="highAvailability" label="Highly available" help={HA_HELP} />
      <SelectField
        form={form}
        name="placement"
        label="It is moved"
        options={VmPlacement.options.map((value) => ({ value, label: PLACEMENT_WORDS[value] }))}
      />
      <TextField form={form} name="labels" label="Labels" help="For affinity groups; with commas between them." />
      <SelectField
        form={form}
        name="migrationPolicyId"
        label="Migration policy"
        none="The cluster's"
        options={optionsOf(policies)}
      />
    </FormDialog>
  );
}
