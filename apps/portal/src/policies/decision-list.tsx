/** Plans that were carried out: what moves, and why. */
import { Link } from 'react-router';
import type { PlanView } from '#contracts';
import { ArrowIcon } from '../parts/icons.js';
import { When } from '../parts/when.js';

export const Imbalance = ({ plan }: { plan: PlanView }) => (
  <span className="nowrap" title="Imbalance, 0 (even) to 100: before, and after the plan's moves">
    {plan.imbalanceBefore.toFixed(1)} <ArrowIcon aria-label="to" /> {plan.imbalanceAfter.toFixed(1)}
  </span>
);

export function DecisionList({ plans }: { plans: readonly PlanView[] }) {
  if (plans.length === 0)
    return <p className="quiet">No decision yet. A policy decides when moving a VM would even out the load.</p>;
  return (
    <ul className="entries">
      {plans.map((plan) => (
        <li key={plan.id} className="entry">
          <div className="entry-line">
            <Link to={`/decisions/${plan.id}`}>{plan.summary}</Link>
            <span className="entry-end subtle">
              <When at={plan.createdAt} />
            </span>
          </div>
          {plan.moves.slice(0, 3).map((move) => (
            <p key={move.vmId} className="subtle entry-reason clamped" title={move.reason}>
              <b>{move.vmName}</b> {move.sourceHostName} <ArrowIcon aria-label="to" /> {move.destinationHostName}:{' '}
              {move.reason}
            </p>
          ))}
          {plan.moves.length > 3 && <p className="subtle entry-reason">and {plan.moves.length - 3} more</p>}
        </li>
      ))}
    </ul>
  );
}
