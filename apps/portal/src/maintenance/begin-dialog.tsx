import { useQuery, useQueryClient } from '@tanstack/react-query';
import { z } from 'zod';
import { BlockedChoice } from '#contracts';
import { CheckField, NumberField, SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { useCluster } from '../policies/cluster-picker.js';
import { words } from './policy-form.js';
import { ReportView } from './report-view.js';
import { MAINTENANCE } from './use-maintenance.js';
import { CHOICE_WORDS } from './words.js';

const BeginForm = z.object({
  reason: z.string().trim().min(1, 'say why, for those who find hosts empty').max(500),
  hostNames: z.string(),
  hostsAtOnce: z.number().int().min(1).max(100),
  command: z.string(),
  restarts: z.boolean(),
  onBlocked: BlockedChoice,
  activate: z.boolean(),
  returnVms: z.boolean(),
});

/** By hand: hosts go through maintenance in groups. What would happen is shown below the form. */
export function BeginDialog({ hostName = '', onClose }: { hostName?: string; onClose: () => void }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const { hosts } = useInventory();
  const chosen = useCluster();
  const form = useForm({
    schema: BeginForm,
    initial: {
      reason: '',
      hostNames: hostName,
      hostsAtOnce: 1,
      command: '',
      restarts: false,
      onBlocked: 'wait',
      activate: true,
      returnVms: true,
    },
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
  const begin = async () => {
    const done = await form.submit((values) => {
      const { reason, hostsAtOnce, onBlocked, activate, returnVms, command, restarts } = values;
      const body = { reason, hostsAtOnce, onBlocked, activate, returnVms };
      const stranger = names.find((name) => !known.some((host) => host.name === name));
      if (stranger !== undefined) throw new Error(`there is no host ${stranger}`);
      const action =
        command.trim() === ''
          ? { kind: 'none' as const }
          : { kind: 'command' as const, name: command.trim(), restarts };
      return client.maintenance.begin({ ...body, clusterId, hostIds: members, action });
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
      onClose={onClose}
      onSubmit={() => void begin()}
    >
      <TextField form={form} name="reason" label="Reason" isRequired />
      <TextField
        form={form}
        name="hostNames"
        label="Hosts"
        help="Names, with commas between them; empty: all that are up."
      />
      <NumberField form={form} name="hostsAtOnce" label="At once" step={1} />
      <TextField
        form={form}
        name="command"
        label="Command"
        isMonospace
        help="An executable of the hosts’ folder maintenance.d; empty: none."
      />
      <CheckField form={form} name="restarts" label="The command restarts the host" />
      <SelectField
        form={form}
        name="onBlocked"
        label="A VM that cannot leave"
        options={Object.entries(CHOICE_WORDS).map(([value, label]) => ({ value, label }))}
      />
      <CheckField form={form} name="activate" label="A healthy host takes VMs again" />
      <CheckField form={form} name="returnVms" label="VMs that had to leave come back" />
      {report.data && <ReportView report={report.data} />}
    </FormDialog>
  );
}
