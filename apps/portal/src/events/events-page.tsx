import { Button } from '@patternfly/react-core';
import { useCallback } from 'react';
import { Link } from 'react-router';
import { type EventView, Severity } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { useHistory, useRecentEvents } from '../live/recent.js';
import { useSession } from '../live/session.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { LoadingPage, Nothing, ProblemAlert } from '../parts/feedback.js';
import { FilterBar, optionsOf, useFilters } from '../parts/filters.js';
import { HostLink, VmLink } from '../parts/links.js';
import { PageFrame } from '../parts/page.js';
import { SeverityLabel } from '../parts/status.js';
import { Clock, When } from '../parts/when.js';
import { placeOf } from './event-list.js';

const COLUMNS: Column<EventView>[] = [
  {
    title: 'Time',
    render: ({ at }) => (
      <>
        <When at={at} /> <Clock at={at} />
      </>
    ),
  },
  { title: 'Severity', render: ({ severity }) => <SeverityLabel status={severity} /> },
  {
    title: 'Message',
    render: (event) => {
      const place = placeOf(event);
      return place ? (
        <Link to={place} className="plain-link">
          {event.message}
        </Link>
      ) : (
        event.message
      );
    },
  },
  { title: 'Type', render: ({ type }) => <code className="nowrap">{type}</code>, priority: 'medium' },
  { title: 'Host', render: ({ hostId }) => hostId && <HostLink id={hostId} />, priority: 'low' },
  { title: 'VM', render: ({ vmId }) => vmId && <VmLink id={vmId} />, priority: 'low' },
];

export function EventsPage() {
  const { client } = useSession();
  const { hosts, vms } = useInventory();
  const filters = useFilters();
  const severity = Severity.safeParse(filters.get('severity')).data;
  const type = filters.get('type');
  const hostId = filters.get('host');
  const vmId = filters.get('vm');
  const { data: recent = [] } = useRecentEvents();
  const matches = useCallback(
    (event: EventView) =>
      (!severity || event.severity === severity) &&
      (!type || event.type === type) &&
      (!hostId || event.hostId === hostId) &&
      (!vmId || event.vmId === vmId),
    [severity, type, hostId, vmId],
  );
  const history = useHistory<EventView>({
    key: ['event-history', { severity, type, hostId, vmId }],
    page: (cursor) => client.events.list({ severity, type, hostId, vmId, cursor, limit: 50 }),
    recent,
    matches,
  });
  const types = [...new Set([...recent.map((event) => event.type), ...(type ? [type] : [])])].toSorted();
  const choices = [
    { name: 'severity', any: 'Any severity', options: Severity.options.map((value) => ({ value, label: value })) },
    { name: 'type', any: 'Any type', options: types.map((value) => ({ value, label: value })) },
    { name: 'host', any: 'Any host', options: optionsOf(hosts) },
    { name: 'vm', any: 'Any VM', options: optionsOf(vms) },
  ];
  return (
    <PageFrame title="Events" description="What happened, newest first.">
      <FilterBar filters={filters} choices={choices} />
      {history.query.isPending ? (
        <LoadingPage />
      ) : history.query.isError && history.items.length === 0 ? (
        <ProblemAlert error={history.query.error} onRetry={() => void history.query.refetch()} />
      ) : (
        <DataTable
          label="Events"
          rows={history.items}
          columns={COLUMNS}
          rowKey={({ id }) => id}
          empty={
            <Nothing title="No events">
              {filters.isAnySet ? 'None match these filters; clear one of them.' : 'Nothing has happened yet.'}
            </Nothing>
          }
        />
      )}
      {history.query.hasNextPage && (
        <Button
          variant="secondary"
          isLoading={history.query.isFetchingNextPage}
          onClick={() => void history.query.fetchNextPage()}
        >
          Older events
        </Button>
      )}
    </PageFrame>
  );
}
