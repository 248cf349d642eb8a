/** Policies by time of day: windows in which another policy holds. */
import { Button } from '@patternfly/react-core';
import { useState } from 'react';
import { z } from 'zod';
import { type ClusterView, type PolicyWindow, PolicyWindow as Window, SchedulingPolicy, Weekday } from '#contracts';
import { SelectField, TextField } from '../forms/fields.js';
import { FormDialog } from '../forms/form-dialog.js';
import { useForm } from '../forms/form.js';
import { useSession } from '../live/session.js';
import { ActionMenu } from '../parts/action-menu.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { AddIcon } from '../parts/icons.js';
import { Panel } from '../parts/page.js';
import { useToasts } from '../parts/toasts.js';
import { POLICIES, policyTitle } from './policy-words.js';

export function ScheduleEditor({ cluster }: { cluster: ClusterView }) {
  const { client } = useSession();
  const { say } = useToasts();
  const [adds, setAdds] = useState(false);
  const schedule = cluster.policySchedule;
  const windows = schedule?.windows ?? [];
  const remove = async (gone: PolicyWindow) => {
    const left = windows.filter((window) => window !== gone);
    await client.clusters.update(cluster.id, {
      policySchedule: schedule && left.length > 0 ? { ...schedule, windows: left } : null,
    });
    say('The window is removed');
  };
  const columns: Column<PolicyWindow>[] = [
    {
      title: 'Days',
      render: ({ days }) => (days.length === Weekday.options.length ? 'every day' : days.join(', ')),
    },
    { title: 'From', render: ({ from }) => from },
    { title: 'To', render: ({ to }) => to },
    { title: 'Policy', render: ({ schedulingPolicy }) => policyTitle(schedulingPolicy.name) },
    { title: 'Now', render: (window) => (windows.indexOf(window) === cluster.openWindow ? 'open' : '–') },
    {
      title: 'Actions',
      isActions: true,
      render: (window) => (
        <ActionMenu
          label={`Actions for ${window.from} to ${window.to}`}
          actions={[{ title: 'Remove', onClick: () => void remove(window), isDanger: true }]}
        />
      ),
    },
  ];
  const add = (
    <Button variant="secondary" size="sm" icon={<AddIcon />} onClick={() => setAdds(true)}>
      Add window
    </Button>
  );
  return (
    <Panel title="Policies by time of day" aside={add}>
      <DataTable
        label="Windows"
        rows={windows}
        columns={columns}
        rowKey={(window) => windows.indexOf(window)}
        empty={<p className="quiet">None: {policyTitle(cluster.schedulingPolicy.name)} holds at any time.</p>}
      />
      {schedule && (
        <p className="subtle">
          Times are those of {schedule.timeZone}. Of windows that are open at once the first counts; at all other times{' '}
          {policyTitle(cluster.schedulingPolicy.name)} holds.
        </p>
      )}
      {adds && <WindowDialog cluster={cluster} onClose={() => setAdds(false)} />}
    </Panel>
  );
}

const WindowForm = z.object({
  from: Window.shape.from,
  to: Window.shape.to,
  days: z.string(),
  policy: z.string(),
  timeZone: z.string().min(1, 'fill this in'),
});

function WindowDialog({ cluster, onClose }: { cluster: ClusterView; onClose: () => void }) {
  const { client } = useSession();
  const schedule = cluster.policySchedule;
  const form = useForm({
    schema: WindowForm,
    initial: {
      from: '22:00',
      to: '06:00',
      days: '',
      policy: 'power_saving',
      timeZone: schedule?.timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
    },
  });
  const save = async () => {
    const done = await form.submit(({ from, to, days, policy, timeZone }) => {
      const named = days.split(/[\s,]+/).filter((day) => day !== '');
      const window = Window.parse({
        from,
        to,
        days: named.length > 0 ? named : undefined,
        schedulingPolicy: SchedulingPolicy.parse({ name: policy }),
      });
      const windows = [...(schedule?.windows ?? []), window];
      return client.clusters.update(cluster.id, { policySchedule: { timeZone, windows } });
    });
    if (done) onClose();
  };
  return (
    <FormDialog
      title={`Add a window to ${cluster.name}`}
      description="The policy has its default parameters; the command line sets others."
      form={form}
      verb="Add"
      onClose={onClose}
      onSubmit={() => void save()}
    >
      <SelectField
        form={form}
        name="policy"
        label="Policy"
        options={Object.entries(POLICIES).map(([value, { title }]) => ({ value, label: title }))}
      />
      <TextField form={form} name="from" label="From" help="HH:MM" isRequired />
      <TextField
        form={form}
        name="to"
        label="To"
        help="HH:MM; at or before its beginning: on the next day."
        isRequired
      />
      <TextField form={form} name="days" label="Days" help="Such as saturday, sunday; empty: every day." />
      <TextField
        form={form}
        name="timeZone"
        label="Time zone"
        help="Such as Europe/Berlin, for all windows."
        isRequired
      />
    </FormDialog>
  );
}
