/** Plans that wait for somebody's word, or that people carry out themselves. */
import { Link } from 'react-router';
import type { PlanView } from '#contracts';
import { Panel } from '../parts/page.js';
import { ArrowIcon } from '../parts/icons.js';
import { When } from '../parts/when.js';
import { PlanDecisionButtons } from './plan-decision.js';
import { isForPeople, isProposed, PLAN_STATUS } from './plan-words.js';

export function WaitingPlans({ plans }: { plans: readonly PlanView[] }) {
  const waiting = plans.filter(isForPeople);
  if (waiting.length === 0) return null;
  return (
    <Panel title="Waiting for approval">
      <ul className="entries">
        {waiting.map((plan) => (
          <li key={plan.id} className="entry">
            <div className="entry-line">
              <Link to={`/decisions/${plan.id}`}>{plan.summary}</Link>
              <span className="entry-end">
                <PlanDecisionButtons plan={plan} />
              </span>
            </div>
            <p className="subtle entry-reason">
              {plan.status && PLAN_STATUS[plan.status]}, <When at={plan.createdAt} />
            </p>
            {plan.moves.filter(isProposed).map((move) => (
              <p key={`${move.vmId} ${move.destinationHostId}`} className="subtle entry-reason">
                <b>{move.vmName}</b> {move.sourceHostName} <ArrowIcon aria-label="to" /> {move.destinationHostName}
              </p>
            ))}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
