import { Alert, Button } from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import type { BlockedChoice, MaintenanceRunView, MaintenanceVm } from '#contracts';
import { useSession } from '../live/session.js';
import { ActionMenu } from '../parts/action-menu.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { mebibytes, roughly } from '../parts/figures.js';
import { HostLink } from '../parts/links.js';
import { Meter } from '../parts/meter.js';
import { Fact, Facts, PageFrame, Panel } from '../parts/page.js';
import { useToasts } from '../parts/toasts.js';
import { Clock, When } from '../parts/when.js';
import { hasEnded, PhaseLabel } from './phase-label.js';
import { MAINTENANCE, useMaintenanceRun } from './use-maintenance.js';
import { actionText, CHOICE_WORDS, VM_STATE_WORDS } from './words.js';

const PARENT = { to: '/maintenance', title: 'Maintenance' };
const CHOICES = Object.keys(CHOICE_WORDS) as BlockedChoice[];

export function MaintenanceRunPage() {
  const { id = '' } = useParams();
  const { data, error, refetch } = useMaintenanceRun(id);
  if (data) return <KnownRun run={data} />;
  return (
    <PageFrame title="Maintenance of a host" parent={PARENT}>
      {error ? <ProblemAlert error={error} onRetry={() => void refetch()} /> : <LoadingPage />}
    </PageFrame>
  );
}

function KnownRun({ run }: { run: MaintenanceRunView }) {
  const { vmsGone, vmsTotal, remainingMiB, etaSeconds } = run.progress;
  return (
    <PageFrame
      title={`Maintenance of ${run.hostName}`}
      parent={PARENT}
      aside={<PhaseLabel phase={run.phase} />}
      description={run.policyName ? `${run.policyName}: ${run.reason}` : run.reason}
      actions={<RunActions run={run} />}
    >
      {run.phaseReason && (
        <Alert
          isInline
          variant={run.phase === 'failed' ? 'danger' : run.phase === 'done' ? 'success' : 'info'}
          title={run.phaseReason}
        />
      )}
      <Panel title="Progress">
        <Facts>
          <Fact name="VMs that have left">
            <Meter kind="memory" label="VMs that have left" used={vmsGone} capacity={vmsTotal} format={String} />
          </Fact>
          <Fact name="Still there">{mebibytes(remainingMiB)}</Fact>
          <Fact name="Empty in about">{etaSeconds === null ? '–' : roughly(etaSeconds)}</Fact>
          <Fact name="Then">{actionText(run.procedure.action)}</Fact>
          <Fact name="Command">{run.command ? `${run.command.status} ${run.command.output}` : '–'}</Fact>
          <Fact name="Afterwards">
            {run.procedure.activate
              ? `takes VMs again${run.procedure.returnVms ? ', and those that left come back' : ''}`
              : 'stays in maintenance'}
          </Fact>
          <Fact name="Host">
            <HostLink id={run.hostId} />
          </Fact>
          <Fact name="Group">{run.group}</Fact>
          <Fact name="Began">
            <When at={run.startedAt} none="not yet" />
          </Fact>
        </Facts>
      </Panel>
      <Panel title="VMs">
        <RunVms run={run} />
      </Panel>
      <Panel title="What has happened">
        <ol className="timeline">
          {run.timeline.map(({ at, phase, message }) => (
            <li key={`${at} ${phase}`}>
              <PhaseLabel phase={phase} />
              <Clock at={at} />
              {message && <span className="timeline-message subtle">{message}</span>}
            </li>
          ))}
        </ol>
      </Panel>
    </PageFrame>
  );
}

function RunVms({ run }: { run: MaintenanceRunView }) {
  const { client } = useSession();
  const { act } = useToasts();
  const queries = useQueryClient();
  const choose = ({ vmId, vmName }: MaintenanceVm, choice: BlockedChoice) =>
    void act(
      () =>
        client.maintenance
          .choose(run.id, { choices: [{ vmId, choice }] })
          .then(() => queries.invalidateQueries({ queryKey: MAINTENANCE })),
      `If it cannot leave, ${vmName} ${CHOICE_WORDS[choice]}`,
      'The choice was not taken',
    );
  const columns: Column<MaintenanceVm>[] = [
    {
      title: 'VM',
      render: ({ vmId, vmName }) => (
        <Link to={`/vms/${vmId}`} className="nowrap">
          {vmName}
        </Link>
      ),
      sortBy: ({ vmName }) => vmName,
    },
    { title: 'State', render: ({ state }) => VM_STATE_WORDS[state], sortBy: ({ state }) => state },
    { title: 'Where', render: ({ hostId }) => (hostId ? <HostLink id={hostId} /> : '–') },
    {
      title: 'Memory',
      render: ({ memoryMiB }) => mebibytes(memoryMiB),
      sortBy: ({ memoryMiB }) => memoryMiB,
      align: 'right',
    },
    { title: 'Failed moves', render: ({ attempts }) => attempts, sortBy: ({ attempts }) => attempts, align: 'right' },
    {
      title: 'If it cannot leave, it',
      render: ({ choice }) => CHOICE_WORDS[choice ?? run.procedure.onBlocked],
      priority: 'medium',
    },
    { title: 'Reason', render: ({ reason }) => <span className="cell-reason subtle">{reason}</span> },
    {
      title: 'Actions',
      isActions: true,
      render: (vm) => (
        <ActionMenu
          label={`Choices for ${vm.vmName}`}
          actions={CHOICES.map((choice) => ({
            title: `If it cannot leave, it ${CHOICE_WORDS[choice]}`,
            onClick: () => choose(vm, choice),
            isDisabled: hasEnded(run.phase),
          }))}
        />
      ),
    },
  ];
  return (
    <DataTable
      label="VMs that have to leave"
      rows={run.vms}
      columns={columns}
      rowKey={({ vmId }) => vmId}
      sortedBy={0}
      empty={<p className="quiet">{run.startedAt ? 'No VM had to leave.' : 'It has not begun yet.'}</p>}
    />
  );
}

function RunActions({ run }: { run: MaintenanceRunView }) {
  const { client } = useSession();
  const { act } = useToasts();
  const queries = useQueryClient();
  const [cancels, setCancels] = useState(false);
  if (hasEnded(run.phase)) return null;
  const changed = () => queries.invalidateQueries({ queryKey: MAINTENANCE });
  const canPause = ['waiting', 'evacuating', 'returning'].includes(run.phase);
  return (
    <>
      {run.phase === 'paused' ? (
        <Button
          onClick={() =>
            void act(() => client.maintenance.resume(run.id).then(changed), 'It goes on', 'It was not resumed')
          }
        >
          Resume
        </Button>
      ) : (
        <Button
          variant="secondary"
          isDisabled={!canPause}
          onClick={() =>
            void act(() => client.maintenance.pause(run.id).then(changed), 'It is paused', 'It was not paused')
          }
        >
          Pause
        </Button>
      )}
      <Button variant="secondary" isDanger onClick={() => setCancels(true)}>
        Cancel…
      </Button>
      {cancels && (
        <ConfirmDialog
          title={`Cancel the maintenance of ${run.hostName}?`}
          verb="Cancel maintenance"
          isDanger
          action={() => client.maintenance.cancel(run.id).then(changed)}
          onClose={() => setCancels(false)}
        >
          The host takes VMs again, and those that have left come back.
        </ConfirmDialog>
      )}
    </>
  );
}
