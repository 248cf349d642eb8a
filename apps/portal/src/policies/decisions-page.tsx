import { Button } from '@patternfly/react-core';
import { useMemo } from 'react';
import { Link } from 'react-router';
import type { PlanView } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { useHistory, useRecentPlans } from '../live/recent.js';
import { useSession } from '../live/session.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { LoadingPage, Nothing, ProblemAlert } from '../parts/feedback.js';
import { DecisionIcon } from '../parts/icons.js';
import { PageFrame } from '../parts/page.js';
import { When } from '../parts/when.js';
import { Imbalance } from './decision-list.js';
import { policyTitle } from './policy-words.js';
import { WaitingPlans } from './waiting-plans.js';

const isApplied = ({ kind }: PlanView) => kind === 'applied';

export function DecisionsPage() {
  const { client } = useSession();
  const { clusters } = useInventory();
  const { data: recent = [] } = useRecentPlans();
  const { query, items } = useHistory<PlanView>({
    key: ['plan-history'],
    page: (cursor) => client.plans.list({ kind: 'applied', cursor, limit: 50 }),
    recent,
    matches: isApplied,
  });
  const columns = useMemo<Column<PlanView>[]>(
    () => [
      { title: 'Decision', render: ({ id, summary }) => <Link to={`/decisions/${id}`}>{summary}</Link> },
      { title: 'Policy', render: ({ policy }) => policyTitle(policy.name), priority: 'medium' },
      ...(clusters.length > 1
        ? [{ title: 'Cluster', render: ({ clusterId }: PlanView) => clusters.find(({ id }) => id === clusterId)?.name }]
        : []),
      { title: 'Moves', render: ({ moves }) => moves.length, align: 'right' },
      { title: 'Refusals', render: ({ refusals }) => refusals.length, align: 'right', priority: 'medium' },
      { title: 'Imbalance', render: (plan) => <Imbalance plan={plan} />, align: 'right' },
      { title: 'When', render: ({ createdAt }) => <When at={createdAt} />, align: 'right' },
    ],
    [clusters],
  );
  return (
    <PageFrame title="Decisions" description="What the policies have moved, and why; newest first.">
      <WaitingPlans plans={recent} />
      {query.isPending ? (
        <LoadingPage />
      ) : query.isError && items.length === 0 ? (
        <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      ) : (
        <DataTable
          label="Decisions"
          rows={items}
          columns={columns}
          rowKey={({ id }) => id}
          empty={
            <Nothing
              title="No decisions yet"
              icon={DecisionIcon}
              action={<Link to="/policies">Scheduling policies</Link>}
            >
              A policy decides when moving a VM would even out the load, or when a host must be emptied.
            </Nothing>
          }
        />
      )}
      {query.hasNextPage && (
        <Button variant="secondary" isLoading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Older decisions
        </Button>
      )}
    </PageFrame>
  );
}
