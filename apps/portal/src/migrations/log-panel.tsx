/** What controller, agents and VMMs had to say of a migration. */
import { Button } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { MigrationLogLine, MigrationView } from '#contracts';
import { isActive } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { Panel } from '../parts/page.js';
import { Clock } from '../parts/when.js';

type Row = MigrationLogLine & { readonly index: number };

const COLUMNS: Column<Row>[] = [
  { title: 'Time', render: ({ at }) => (at === null ? <span className="subtle">–</span> : <Clock at={at} />) },
  { title: 'Who', render: ({ side, from }) => (side === from ? side : `${side}, ${from}`) },
  {
    title: 'Level',
    render: ({ level }) => <span className={level === 'error' ? 'tone-warn' : 'subtle'}>{level}</span>,
    priority: 'medium',
  },
  { title: 'Message', render: ({ message }) => <span className="log-message">{message}</span> },
];

/** Asks when told to: both ends tell theirs with the end. */
export function LogPanel({ migration }: { migration: MigrationView }) {
  const { client } = useSession();
  const [isOpen, setOpen] = useState(false);
  const { id, status } = migration;
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ['migration-log', id, status],
    queryFn: () => client.migrations.log(id),
    enabled: isOpen,
    staleTime: 0,
  });
  const ask = () => {
    if (isOpen) void refetch();
    setOpen(true);
  };
  return (
    <Panel
      title="Log"
      aside={
        <Button variant="secondary" size="sm" onClick={ask} isLoading={isFetching}>
          {isOpen ? 'Load again' : 'Show log'}
        </Button>
      }
    >
      {!isOpen && <p className="quiet">What controller, agents and VMMs had to say of it, in one place.</p>}
      {isOpen && error && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      {isOpen && isFetching && !data && <LoadingPage />}
      {isOpen && data && (
        <DataTable
          label="Log"
          rows={data.lines.map((line, index) => ({ ...line, index }))}
          columns={COLUMNS}
          rowKey={({ index }) => index}
          empty={<p className="quiet">Nobody has said anything yet.</p>}
        />
      )}
      {isOpen && isActive(migration) && <p className="subtle">Those of both hosts follow when it has ended.</p>}
    </Panel>
  );
}
