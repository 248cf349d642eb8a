import { Button } from '@patternfly/react-core';
import { type ReactNode, useMemo } from 'react';
import { Link } from 'react-router';
import type { MigrationView } from '#contracts';
import { isActive } from '../live/inventory.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { ProblemAlert } from '../parts/feedback.js';
import { duration } from '../parts/figures.js';
import { ArrowIcon } from '../parts/icons.js';
import { HostLink, VmLink } from '../parts/links.js';
import { MigrationStatusLabel } from '../parts/status.js';
import { When } from '../parts/when.js';
import { MigrationProgressBar } from './progress.js';

interface MigrationTableProps {
  readonly migrations: readonly MigrationView[];
  readonly empty: ReactNode;
  /** The host whose page it is: tells what came and what left. */
  readonly seenFrom?: string;
  readonly history: {
    readonly error: unknown;
    readonly hasNextPage: boolean;
    readonly isFetchingNextPage: boolean;
    readonly fetchNextPage: () => unknown;
    readonly refetch: () => unknown;
  };
}

const milliseconds = (value: number | null) => (value === null ? <span className="subtle">–</span> : duration(value));

export function MigrationTable({ migrations, empty, seenFrom, history }: MigrationTableProps) {
  const columns = useMemo<Column<MigrationView>[]>(() => {
    const vm: Column<MigrationView> = {
      title: 'VM',
      render: ({ vmId, vmName, ordinal }) => (
        <span className="nowrap">
          <VmLink id={vmId} name={vmName} />{' '}
          <span className="subtle" title="its n-th migration, over all hosts">
            #{ordinal}
          </span>
        </span>
      ),
    };
    const direction: Column<MigrationView> = {
      title: 'Direction',
      render: ({ sourceHostId }) => (sourceHostId === seenFrom ? 'out' : 'in'),
    };
    const reason: Column<MigrationView> = {
      title: 'Reason',
      render: (one) => (
        <span className="cell-reason">
          <span className="subtle">{one.trigger}:</span> {one.reason}
        </span>
      ),
      priority: 'medium',
    };
    return [
      {
        title: 'Status',
        render: (one) => (
          <Link to={`/migrations/${one.id}`} className="plain-link">
            <MigrationStatusLabel status={one.status} reason={one.error?.message} />
          </Link>
        ),
      },
      vm,
      ...(seenFrom ? [direction] : []),
      {
        title: 'Route',
        render: (one) => (
          <span className="route">
            <HostLink id={one.sourceHostId} name={one.sourceHostName} />
            <ArrowIcon aria-label="to" />
            <HostLink id={one.destinationHostId} name={one.destinationHostName} />
          </span>
        ),
      },
      ...(seenFrom ? [] : [reason]),
      {
        title: 'Downtime',
        render: (one) => (isActive(one) ? <MigrationProgressBar migration={one} /> : milliseconds(one.downtimeMs)),
        align: 'right',
      },
      {
        title: 'Total',
        render: ({ totalMs }) => milliseconds(totalMs),
        align: 'right',
        priority: seenFrom ? 'low' : undefined,
      },
      { title: 'Began', render: ({ createdAt }) => <When at={createdAt} />, align: 'right' },
    ];
  }, [seenFrom]);
  return (
    <>
      {history.error !== null && <ProblemAlert error={history.error} onRetry={() => void history.refetch()} />}
      <DataTable label="Migrations" rows={migrations} columns={columns} rowKey={({ id }) => id} empty={empty} />
      {history.hasNextPage && (
        <div className="more">
          <Button variant="link" isLoading={history.isFetchingNextPage} onClick={() => void history.fetchNextPage()}>
            Older migrations
          </Button>
        </div>
      )}
    </>
  );
}
