/** What a plan does and what it does not, each with its reason. */
import { useMemo, useState } from 'react';
import { Link } from 'react-router';
import type { PlannedHostAction, PlannedMove, PlanView, Refusal } from '#contracts';
import { ActionMenu } from '../parts/action-menu.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { percentOf, plural } from '../parts/figures.js';
import { ArrowIcon } from '../parts/icons.js';
import { type Deciding, PlanDecisionDialog } from './plan-decision.js';
import { isProposed, MOVE_STATE } from './plan-words.js';

/** Bars of small imbalances stay small. */
export const LEAST_SCALE = 10;

export function ImbalanceBar({ title, value, highest }: { title: string; value: number; highest: number }) {
  return (
    <div className="imbalance">
      <span className="imbalance-name">{title}</span>
      <div className="meter-track meter-memory">
        <div className="meter-fill" style={{ inlineSize: `${percentOf(value, highest)}%` }} />
      </div>
      <b>{value.toFixed(1)}</b>
    </div>
  );
}

const ACTION_WORDS: Record<PlannedHostAction['action'], string> = {
  activate: 'out of maintenance',
  deactivate: 'into maintenance',
  power_on: 'switched on',
  power_off: 'switched off',
};

export const HOST_ACTIONS: Column<PlannedHostAction>[] = [
  { title: 'Host', render: ({ hostName, hostId }) => <Link to={`/hosts/${hostId}`}>{hostName}</Link> },
  { title: 'Is', render: ({ action }) => ACTION_WORDS[action] },
  { title: 'Why', render: ({ reason }) => <div className="cell-why">{reason}</div> },
  { title: 'Saves', render: ({ savedWatts }) => `${Math.round(savedWatts)} W`, align: 'right' },
];

export const REFUSALS: Column<Refusal>[] = [
  {
    title: 'VM',
    render: ({ vmName }) => <span className="nowrap">{vmName ?? '–'}</span>,
    sortBy: ({ vmName }) => vmName ?? '',
  },
  { title: 'Destination', render: ({ hostName }) => hostName ?? 'any', sortBy: ({ hostName }) => hostName ?? '' },
  { title: 'Why not', render: ({ reason }) => <div className="cell-why">{reason}</div> },
];

/** What has become of a move, and why. */
function MoveStateText({ move }: { move: PlannedMove }) {
  const { state, stateReason, decidedBy, migrationId } = move;
  const word = MOVE_STATE[state];
  return (
    <>
      {migrationId ? <Link to={`/migrations/${migrationId}`}>{word}</Link> : word}
      {decidedBy && <div className="subtle">by {decidedBy}</div>}
      {stateReason && <div className="subtle cell-reason">{stateReason}</div>}
    </>
  );
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

export function PlanDetails({ plan }: { plan: PlanView }) {
  const [deciding, setDeciding] = useState<Deciding>();
  const moves = useMemo<Column<PlannedMove>[]>(() => {
    const numberOf = (move: PlannedMove) => plan.moves.indexOf(move);
    const isWaiting = plan.status === 'waiting' || plan.status === 'running';
    return [
      { title: 'Move', render: (move) => numberOf(move), sortBy: numberOf, align: 'right' },
      {
        title: 'VM',
        render: ({ vmName, vmId }) => (
          <Link to={`/vms/${vmId}`} className="nowrap">
            {vmName}
          </Link>
        ),
      },
      {
        title: 'Route',
        render: ({ sourceHostName, destinationHostName }) => (
          <span className="route">
            {sourceHostName} <ArrowIcon aria-label="to" /> {destinationHostName}
          </span>
        ),
      },
      {
        title: 'Why',
        render: ({ reason, waitsFor }) => (
          <div className="cell-why">
            {reason}
            {waitsFor.length > 0 && (
              <div className="subtle">after {waitsFor.map((position) => `move ${position}`).join(', ')}</div>
            )}
          </div>
        ),
      },
      {
        title: 'Gain',
        render: ({ gain }) => (gain > 0 ? `${gain.toFixed(1)} points` : '–'),
        align: 'right',
      },
      {
        title: 'Takes',
        render: ({ cost }) => (cost ? `${seconds(cost.durationMs)}, pause ${Math.round(cost.pauseMs)} ms` : '–'),
        align: 'right',
        priority: 'medium',
      },
      ...(plan.kind === 'dry_run'
        ? []
        : [{ title: 'State', render: (move: PlannedMove) => <MoveStateText move={move} /> }]),
      ...(isWaiting && plan.moves.some(isProposed)
        ? [
            {
              title: 'Actions',
              isActions: true,
              render: (move: PlannedMove) =>
                isProposed(move) && (
                  <ActionMenu
                    label={`Actions for the move of ${move.vmName}`}
                    actions={[
                      { title: 'Approve…', onClick: () => setDeciding({ verb: 'approve', move: numberOf(move) }) },
                      { title: 'Reject…', onClick: () => setDeciding({ verb: 'reject', move: numberOf(move) }) },
                    ]}
                  />
                ),
            },
          ]
        : []),
    ];
  }, [plan]);
  const highest = Math.max(plan.imbalanceBefore, plan.imbalanceAfter, LEAST_SCALE);
  return (
    <div className="stack">
      <div className="plan-summary">
        <p>{plan.summary}</p>
        <div>
          <ImbalanceBar
            title={plan.kind === 'applied' ? 'Imbalance before' : 'Imbalance now'}
            value={plan.imbalanceBefore}
            highest={highest}
          />
          <ImbalanceBar title="after the moves" value={plan.imbalanceAfter} highest={highest} />
        </div>
      </div>
      <div>
        {plan.moves.length > 0 && <h3 className="dialog-heading">{plural(plan.moves.length, 'move')}</h3>}
        <DataTable
          label="Moves"
          rows={plan.moves}
          columns={moves}
          rowKey={({ vmId, destinationHostId }) => `${vmId} ${destinationHostId}`}
          empty={<p className="quiet">No VM is moved.</p>}
        />
      </div>
      {plan.hostActions.length > 0 && (
        <div>
          <h3 className="dialog-heading">{plural(plan.hostActions.length, 'host')} switched</h3>
          <DataTable
            label="Hosts switched"
            rows={plan.hostActions}
            columns={HOST_ACTIONS}
            rowKey={({ hostId }) => hostId}
            empty={null}
          />
        </div>
      )}
      {plan.refusals.length > 0 && (
        <div>
          <h3 className="dialog-heading">Considered, and not done: {plan.refusals.length}</h3>
          <DataTable
            label="Refusals"
            rows={plan.refusals}
            columns={REFUSALS}
            rowKey={({ vmId, hostId, reason }) => `${vmId} ${hostId} ${reason}`}
            empty={null}
          />
        </div>
      )}
      {deciding && <PlanDecisionDialog plan={plan} {...deciding} onClose={() => setDeciding(undefined)} />}
    </div>
  );
}
