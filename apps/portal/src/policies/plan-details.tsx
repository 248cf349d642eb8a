/** What a plan does and what it does not, each with its reason. */
import { useMemo } from 'react';
import { Link } from 'react-router';
import type { PlannedMove, PlanView, Refusal } from '#contracts';
import { type Column, DataTable } from '../parts/data-table.js';
import { percentOf, plural } from '../parts/figures.js';
import { ArrowIcon } from '../parts/icons.js';

/** Bars of small imbalances stay small. */
const LEAST_SCALE = 10;

function ImbalanceBar({ title, value, highest }: { title: string; value: number; highest: number }) {
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

const REFUSALS: Column<Refusal>[] = [
  { title: 'VM', render: ({ vmName }) => vmName ?? '–', sortBy: ({ vmName }) => vmName ?? '' },
  { title: 'Destination', render: ({ hostName }) => hostName ?? 'any', sortBy: ({ hostName }) => hostName ?? '' },
  { title: 'Why not', render: ({ reason }) => reason },
];

export function PlanDetails({ plan }: { plan: PlanView }) {
  const moves = useMemo<Column<PlannedMove>[]>(
    () => [
      { title: 'VM', render: ({ vmName, vmId }) => <Link to={`/vms/${vmId}`}>{vmName}</Link> },
      {
        title: 'Route',
        render: ({ sourceHostName, destinationHostName }) => (
          <span className="route">
            {sourceHostName} <ArrowIcon aria-label="to" /> {destinationHostName}
          </span>
        ),
      },
      { title: 'Why', render: ({ reason }) => reason },
      {
        title: 'Gain',
        render: ({ gain }) => (gain > 0 ? `${gain.toFixed(1)} points` : '–'),
        align: 'right',
      },
      ...(plan.kind === 'applied'
        ? [
            {
              title: 'Migration',
              render: ({ migrationId }: PlannedMove) =>
                migrationId && <Link to={`/migrations/${migrationId}`}>show</Link>,
            },
          ]
        : []),
    ],
    [plan.kind],
  );
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
          rowKey={({ vmId }) => vmId}
          empty={<p className="quiet">No VM is moved.</p>}
        />
      </div>
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
    </div>
  );
}
