import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { PageFrame, Panel } from '../parts/page.js';
import { When } from '../parts/when.js';
import { PlanDecisionButtons } from './plan-decision.js';
import { PlanDetails } from './plan-details.js';
import { PLAN_STATUS } from './plan-words.js';
import { policyTitle } from './policy-words.js';

const PARENT = { to: '/decisions', title: 'Decisions' };

export function DecisionPage() {
  const { id = '' } = useParams();
  const { client } = useSession();
  const { clusters } = useInventory();
  const { data: plan, error, refetch } = useQuery({ queryKey: ['plan', id], queryFn: () => client.plans.get(id) });
  if (error && !plan)
    return (
      <PageFrame title="Decision" parent={PARENT}>
        <ProblemAlert error={error} onRetry={() => void refetch()} />
      </PageFrame>
    );
  if (!plan) return <LoadingPage />;
  const cluster = clusters.find(({ id: one }) => one === plan.clusterId);
  return (
    <PageFrame
      title="Decision"
      parent={PARENT}
      description={
        <>
          Policy {policyTitle(plan.policy.name)} for cluster {cluster?.name ?? 'that was deleted'},{' '}
          <When at={plan.createdAt} />
          {plan.status && `. ${PLAN_STATUS[plan.status]}${plan.statusReason && `: ${plan.statusReason}`}.`}
        </>
      }
      actions={<PlanDecisionButtons plan={plan} />}
    >
      <Panel title={plan.kind === 'applied' ? 'What it does' : 'What it would do'}>
        <PlanDetails plan={plan} />
      </Panel>
    </PageFrame>
  );
}
