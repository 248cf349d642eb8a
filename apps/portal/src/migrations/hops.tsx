/** A VM's life across hosts: each of its migrations, with what was done about it and by which versions. */
import { Button } from '@patternfly/react-core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import type { MigrationHop, VmView } from '#contracts';
import { isActive, useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { bytes, duration } from '../parts/figures.js';
import { ArrowIcon } from '../parts/icons.js';
import { HostLink } from '../parts/links.js';
import { MigrationStatusLabel } from '../parts/status.js';
import { When } from '../parts/when.js';
import { meansText } from '../policies/means-words.js';
import { MigrationProgressBar } from './progress.js';

const HOPS_PER_PAGE = 20;

export function Hops({ vm }: { vm: VmView }) {
  const { client } = useSession();
  const { migrations } = useInventory();
  const latest = migrations.find(({ vmId }) => vmId === vm.id);
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery({
    // Loaded again whenever one begins, changes its state, or ends.
    queryKey: ['hops', vm.id, latest?.id, latest?.status],
    queryFn: ({ pageParam }) => client.vms.migrations(vm.id, { cursor: pageParam, limit: HOPS_PER_PAGE }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
    placeholderData: keepPreviousData,
  });
  if (error && !data) return <ProblemAlert error={error} onRetry={() => void refetch()} />;
  if (!data) return <LoadingPage />;
  const hops = data.pages.flatMap(({ items }) => items);
  if (hops.length === 0) return <p className="quiet">It has never been moved.</p>;
  return (
    <>
      <ol className="timeline" aria-label="Migrations across hosts">
        {hops.map((hop) => (
          <Hop
            key={hop.id}
            hop={hop.id === latest?.id ? { ...latest, means: hop.means, versions: hop.versions } : hop}
          />
        ))}
      </ol>
      {hasNextPage && (
        <div className="more">
          <Button variant="link" isLoading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Older migrations
          </Button>
        </div>
      )}
    </>
  );
}

function Hop({ hop }: { hop: MigrationHop }) {
  const { id, ordinal, status, error, trigger, reason, createdAt, means } = hop;
  return (
    <li>
      <Link to={`/migrations/${id}`} className="plain-link">
        <MigrationStatusLabel status={status} reason={error?.message} />
      </Link>
      <span className="timeline-time">
        <b>#{ordinal}</b> <When at={createdAt} />
      </span>
      <span className="timeline-message">
        <span className="route">
          <HostLink id={hop.sourceHostId} name={hop.sourceHostName} />
          <ArrowIcon aria-label="to" />
          <HostLink id={hop.destinationHostId} name={hop.destinationHostName} />
        </span>{' '}
        <span className="subtle">
          {trigger}: {reason}
        </span>
      </span>
      {isActive(hop) ? (
        <span className="timeline-message">
          <MigrationProgressBar migration={hop} />
        </span>
      ) : (
        <span className="timeline-message subtle">{figuresOf(hop)}</span>
      )}
      {means.length > 0 && <span className="timeline-message subtle">{means.map(outcomeOf).join('; ')}</span>}
      <span className="timeline-message subtle">{versionsOf(hop)}</span>
    </li>
  );
}

function figuresOf({ totalMs, downtimeMs, progress, error }: MigrationHop): string {
  const figures = [
    totalMs === null ? null : `took ${duration(totalMs)}`,
    downtimeMs === null ? null : `paused for ${duration(downtimeMs)}`,
    progress ? `${bytes(progress.transferredBytes)} sent` : null,
    error?.message ?? null,
  ];
  return figures.filter((figure) => figure !== null).join(', ') || 'no figures were told';
}

const outcomeOf = (applied: MigrationHop['means'][number]): string =>
  applied.failure === null ? meansText(applied) : `${meansText(applied)} (not applied: ${applied.failure})`;

function versionsOf({ versions, sourceHostName, destinationHostName }: MigrationHop): string {
  if (!versions) return 'versions were not noted';
  const { controller, sourceAgent, destinationAgent } = versions;
  const agents = [
    [sourceHostName, sourceAgent],
    [destinationHostName, destinationAgent],
  ].map(([name, version]) => `${name} ${version ?? 'of unknown version'}`);
  return `controller ${controller}, ${agents.join(', ')}`;
}
