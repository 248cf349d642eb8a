import { Alert, Button } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { Link, useParams } from 'react-router';
import type { Iteration, MigrationDetail, MigrationView } from '#contracts';
import { isActive, useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { bytes, duration, mebibytes, MIB, rate } from '../parts/figures.js';
import { ArrowIcon } from '../parts/icons.js';
import { HostLink, VmLink } from '../parts/links.js';
import { Fact, Facts, PageFrame, Panel } from '../parts/page.js';
import { MigrationStatusLabel } from '../parts/status.js';
import { When } from '../parts/when.js';
import { Chart, type Line } from './chart.js';
import { Decisions } from './decisions.js';
import { DowntimeBar } from './downtime-bar.js';
import { LogPanel } from './log-panel.js';
import { NotSentWhole } from './not-sent-whole.js';
import { ParametersDialog } from './parameters-dialog.js';
import { MigrationProgressBar, ProgressFigures } from './progress.js';
import { Timeline } from './timeline.js';

const PARENT = { to: '/migrations', title: 'Migrations' };
const PASSAGE = {
  auto: 'encrypted between machines',
  always: 'encrypted',
  never: 'not encrypted',
  tunnelled: 'tunnelled through the agents',
};

export function MigrationPage() {
  const { id = '' } = useParams();
  const { client } = useSession();
  const { migrations } = useInventory();
  const query = useQuery({ queryKey: ['migration', id], queryFn: () => client.migrations.get(id) });
  if (query.error && !query.data)
    return (
      <PageFrame title="Migration" parent={PARENT}>
        <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      </PageFrame>
    );
  if (!query.data) return <LoadingPage />;
  // The stream's view is newer than the detail, which is loaded again whenever the view changes.
  const latest = migrations.find((one) => one.id === id);
  return <KnownMigration key={id} migration={{ ...query.data, ...latest }} />;
}

/** After the switchover nothing can be cancelled: the destination may run. */
const canBeCancelled = ({ status }: MigrationView) =>
  isActive({ status }) && !['switchover', 'postcopy', 'postcopy_paused'].includes(status);

function KnownMigration({ migration }: { migration: MigrationDetail }) {
  const { client } = useSession();
  const [open, setOpen] = useState<'cancel' | 'limits' | null>(null);
  const { vmName, ordinal, status, error } = migration;
  return (
    <PageFrame
      title={`${vmName} #${ordinal}`}
      parent={PARENT}
      aside={<MigrationStatusLabel status={status} />}
      description={migration.reason}
      actions={
        isActive(migration) && (
          <>
            <Button variant="secondary" onClick={() => setOpen('limits')}>
              Change limits…
            </Button>
            <Button
              variant="secondary"
              isDanger
              isDisabled={!canBeCancelled(migration)}
              onClick={() => setOpen('cancel')}
            >
              Cancel migration…
            </Button>
          </>
        )
      }
    >
      {error && (
        <Alert isInline variant="danger" title={error.message}>
          <code>{error.code}</code> on the <b>{error.side}</b> in phase <b>{error.phase}</b>. Look at{' '}
          <VmLink id={migration.vmId} name={vmName} /> for where it runs now.
        </Alert>
      )}
      <div className="migration-now">
        <MigrationProgressBar migration={migration} />
        <ProgressFigures migration={migration} />
      </div>
      <div className="migration-columns">
        <Panel title="Figures">
          <Facts>
            <Fact name="VM">
              <VmLink id={migration.vmId} name={vmName} />
            </Fact>
            <Fact name="Route">
              <span className="route">
                <HostLink id={migration.sourceHostId} name={migration.sourceHostName} />
                <ArrowIcon aria-label="to" />
                <HostLink id={migration.destinationHostId} name={migration.destinationHostName} />
              </span>
            </Fact>
            <Fact name="Decided by">
              {migration.planId ? (
                <Link to={`/decisions/${migration.planId}`}>{migration.trigger}</Link>
              ) : (
                migration.trigger
              )}
            </Fact>
            <Fact name="Began">
              <When at={migration.startedAt} none="not yet" />
            </Fact>
            <Fact name="Total time">{migration.totalMs === null ? '–' : duration(migration.totalMs)}</Fact>
            <Fact name="Downtime">{migration.downtimeMs === null ? '–' : duration(migration.downtimeMs)}</Fact>
            <Fact name="Sent">{migration.progress ? bytes(migration.progress.transferredBytes) : '–'}</Fact>
            {migration.progress && <NotSentWhole progress={migration.progress} />}
            <Fact name="Epoch">{migration.epoch}</Fact>
            <Fact name="Passage">{PASSAGE[migration.tunnelled ? 'tunnelled' : migration.encryption]}</Fact>
          </Facts>
        </Panel>
        <Panel title="Timeline">
          <Timeline timeline={migration.timeline} />
        </Panel>
      </div>
      <Panel title="Against a guest that writes too fast">
        <Decisions decisions={migration.decisions} status={status} />
      </Panel>
      <Charts iterations={migration.iterations} totalBytes={migration.progress?.totalBytes ?? null} />
      <Panel title="Downtime" className="panel-downtime">
        {migration.downtimeBreakdown && migration.downtimeMs !== null ? (
          <DowntimeBar breakdown={migration.downtimeBreakdown} totalMs={migration.downtimeMs} />
        ) : (
          <p className="quiet">
            {isActive(migration) ? 'The guest has not been paused yet.' : 'There was no switchover.'}
          </p>
        )}
      </Panel>
      <Panel title="Passes over memory">
        <DataTable
          label="Iterations"
          rows={migration.iterations}
          columns={ITERATION_COLUMNS}
          rowKey={({ iteration }) => iteration}
          empty={<p className="quiet">No pass has ended yet.</p>}
        />
      </Panel>
      <LogPanel migration={migration} />
      {open === 'limits' && <ParametersDialog migration={migration} onClose={() => setOpen(null)} />}
      {open === 'cancel' && (
        <ConfirmDialog
          title={`Cancel the migration of ${vmName}?`}
          verb="Cancel migration"
          isDanger
          action={() => client.migrations.cancel(migration.id)}
          onClose={() => setOpen(null)}
        >
          {vmName} goes on running on {migration.sourceHostName}, as if nothing had been sent.
        </ConfirmDialog>
      )}
    </PageFrame>
  );
}

const ITERATION_COLUMNS: Column<Iteration>[] = [
  { title: 'Pass', render: ({ iteration }) => iteration, align: 'right' },
  { title: 'Pages', render: ({ pages }) => pages.toLocaleString(), align: 'right' },
  { title: 'Zero pages', render: ({ zeroPages }) => zeroPages.toLocaleString(), align: 'right', priority: 'medium' },
  { title: 'Sent', render: (one) => bytes(one.bytes), align: 'right' },
  { title: 'Time', render: ({ durationMs }) => duration(durationMs), align: 'right' },
  { title: 'Bandwidth', render: ({ bandwidthMiBps }) => rate(bandwidthMiBps), align: 'right' },
  { title: 'Dirty rate', render: ({ dirtyRateMiBps }) => rate(dirtyRateMiBps), align: 'right' },
  { title: 'Remaining', render: ({ remainingBytes }) => bytes(remainingBytes), align: 'right' },
  {
    title: 'Expected downtime',
    render: ({ expectedDowntimeMs }) => (expectedDowntimeMs === null ? '–' : duration(expectedDowntimeMs)),
    align: 'right',
  },
];

function Charts({ iterations, totalBytes }: { iterations: readonly Iteration[]; totalBytes: number | null }) {
  const passes = useMemo(() => iterations.map(({ iteration }) => iteration), [iterations]);
  const fromStart = useMemo(() => [0, ...passes], [passes]); // before the first pass all memory remains
  const remaining = useMemo<Line[]>(
    () => [
      {
        label: 'Remaining',
        color: '--chart-remaining',
        values: [totalBytes === null ? null : totalBytes / MIB, ...iterations.map((one) => one.remainingBytes / MIB)],
        isFilled: true,
      },
    ],
    [iterations, totalBytes],
  );
  const rates = useMemo<Line[]>(
    () => [
      { label: 'Bandwidth', color: '--chart-bandwidth', values: iterations.map((one) => one.bandwidthMiBps) },
      {
        label: 'Dirty rate',
        color: '--chart-dirty',
        values: iterations.map((one) => one.dirtyRateMiBps),
        isDashed: true,
      },
    ],
    [iterations],
  );
  return (
    <div className="chart-columns">
      <Panel title="Remaining memory by pass">
        {iterations.length === 0 ? (
          <p className="quiet chart-empty">The first pass has not ended yet.</p>
        ) : (
          <Chart label="Remaining memory after each pass" iterations={fromStart} lines={remaining} format={mebibytes} />
        )}
      </Panel>
      <Panel title="Bandwidth against dirty rate by pass">
        {iterations.length === 0 ? (
          <p className="quiet chart-empty">
            It converges while bandwidth stays above the rate at which the guest writes.
          </p>
        ) : (
          <Chart label="Bandwidth and dirty rate of each pass" iterations={passes} lines={rates} format={rate} />
        )}
      </Panel>
    </div>
  );
}
