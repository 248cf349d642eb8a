import { useQuery, useQueryClient } from '@tanstack/react-query';
import { z } from 'zod';
import { BlockedChoice, CreateMaintenanceRuns } from '#contracts';
import { NumberField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { useCluster } from '../policies/cluster-picker.js';
import { words } from './policy-form.js';
import { ProcedureFields } from './procedure-fields.js';
import { NEW_PROCEDURE, ProcedureForm, procedureOf } from './procedure-form.js';
import { ReportView } from './report-view.js';
import { MAINTENANCE } from './use-maintenance.js';

const BeginForm = z.object({
  reason: CreateMaintenanceRuns.shape.reason,
  hostNames: z.string(),
  hostLabels: z.string(),
  hostsAtOnce: CreateMaintenanceRuns.shape.hostsAtOnce.unwrap(),
  choices: z.record(z.string(), BlockedChoice),
  ...ProcedureForm.shape,
});
type Choices = z.infer<typeof BeginForm>['choices'];

/** By hand: hosts go through maintenance in groups. What would happen is shown below the form. */
export function BeginDialog({ hostName = '', onClose }: { hostName?: string; onClose: () => void }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const { hosts } = useInventory();
  const chosen = useCluster();
  const form = useForm({
    schema: BeginForm,
    initial: { reason: '', hostNames: hostName, hostLabels: '', hostsAtOnce: 1, choices: {}, ...NEW_PROCEDURE },
  });
  const names = words(String(form.values.hostNames));
  const known = hosts.filter(({ name }) => names.includes(name));
  const clusterId = known[0]?.clusterId ?? chosen?.id ?? '';
  const members = known.filter((host) => host.clusterId === clusterId).map(({ id }) => id);
  const report = useQuery({
    queryKey: [...MAINTENANCE, 'report', clusterId, members.join(' ')],
    queryFn: () => client.maintenance.report(clusterId, members),
    enabled: members.length > 0 && members.length === names.length,
  });
  const choices = form.values.choices as Choices;
  const choose = (vmId: string, choice: BlockedChoice | null) => {
    const { [vmId]: _, ...others } = choices;
    form.set('choices', choice === null ? others : { ...others, [vmId]: choice });
  };
  const begin = async () => {
    const done = await form.submit((values) => {
      const stranger = names.find((name) => !known.some((host) => host.name === name));
      if (stranger !== undefined) throw new Error(`there is no host ${stranger}`);
      return client.maintenance.begin({
        ...{ clusterId, hostIds: members, hostLabels: words(values.hostLabels), ...procedureOf(values) },
        ...{ reason: values.reason, hostsAtOnce: values.hostsAtOnce },
        choices: Object.entries(values.choices).map(([vmId, choice]) => ({ vmId, choice })),
      });
    });
    if (!done) return;
    await queries.invalidateQueries({ queryKey: MAINTENANCE });
    onClose();
  };
  return (
    <FormDialog
      title="Begin maintenance"
      description="Hosts are emptied, acted on, checked and put back to work, group after group."
      form={form}
      verb="Begin"
      wide
      onClose={onClose}
      onSubmit={() => void begin()}
    >
      <TextField form={form} name="reason" label="Reason" isRequired />
      <div className="field-row">
        <TextField
          form={form}
          name="hostNames"
          label="Hosts"
          help="Names, with commas between them; without labels either: all that are up."
        />
        <TextField form={form} name="hostLabels" label="Hosts with a label" />
      </div>
      <NumberField
        form={form}
        name="hostsAtOnce"
        label="At once"
        step={1}
        help="So many hosts are a group; the next one follows when it is done."
      />
      <ProcedureFields form={form} />
      {report.data && <ReportView report={report.data} choices={choices} onChoose={choose} />}
    </FormDialog>
  );
}
