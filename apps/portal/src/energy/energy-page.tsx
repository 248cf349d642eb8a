/** What hosts have drawn, and what switching them off has saved. */
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { Link } from 'react-router';
import type { EnergyDay } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { LoadingPage, Nothing, ProblemAlert } from '../parts/feedback.js';
import { FilterBar, optionsOf, useFilters } from '../parts/filters.js';
import { EnergyIcon } from '../parts/icons.js';
import { HostLink } from '../parts/links.js';
import { Fact, Facts, PageFrame, Panel } from '../parts/page.js';
import { EnergyBars } from './energy-bars.js';

const SHORTEST_DAYS = 7;
const SPANS = ['30', '90', '365'].map((value) => ({ value, label: `The last ${value} days` }));
const DAY_MS = 86_400_000;
const kWh = (value: number) => `${value.toFixed(value < 10 ? 2 : 1)} kWh`;
const hours = (value: number) => `${value.toFixed(1)} h`;

const COLUMNS: Column<EnergyDay>[] = [
  { title: 'Day', render: ({ day }) => day, sortBy: ({ day }) => day },
  {
    title: 'Host',
    render: ({ hostId, hostName }) => <HostLink id={hostId} name={hostName} />,
    sortBy: (d) => d.hostName,
  },
  { title: 'Used', render: ({ usedKWh }) => kWh(usedKWh), sortBy: ({ usedKWh }) => usedKWh, align: 'right' },
  { title: 'Saved', render: ({ savedKWh }) => kWh(savedKWh), sortBy: ({ savedKWh }) => savedKWh, align: 'right' },
  { title: 'On', render: ({ onHours }) => hours(onHours), sortBy: ({ onHours }) => onHours, align: 'right' },
  { title: 'Off', render: ({ offHours }) => hours(offHours), sortBy: ({ offHours }) => offHours, align: 'right' },
  {
    title: 'Known by',
    render: ({ measuredKWh }) => (measuredKWh > 0 ? 'its BMC' : 'its power curve'),
    priority: 'medium',
  },
];

/** The first of so many days, of which the last is today. */
const firstOf = (days: number, nowMs: number) => new Date(nowMs - (days - 1) * DAY_MS).toISOString().slice(0, 10);

export function EnergyPage() {
  const { client } = useSession();
  const { clusters } = useInventory();
  const filters = useFilters();
  const days = Number(filters.get('days') ?? SHORTEST_DAYS);
  const clusterId = filters.get('cluster');
  const { data, error, refetch } = useQuery({
    queryKey: ['energy', days, clusterId],
    queryFn: () => client.energy({ from: firstOf(days, Date.now()), clusterId }),
    refetchInterval: 60_000,
  });
  const newestFirst = useMemo(() => data?.days.toReversed() ?? [], [data]);
  const total = (data?.usedKWh ?? 0) + (data?.savedKWh ?? 0);
  return (
    <PageFrame
      title="Energy"
      description="What hosts have drawn, by day (UTC), and what they would have drawn idle while a policy had them switched off."
    >
      <FilterBar
        filters={filters}
        choices={[
          { name: 'days', any: `The last ${SHORTEST_DAYS} days`, options: SPANS },
          ...(clusters.length > 1 ? [{ name: 'cluster', any: 'Any cluster', options: optionsOf(clusters) }] : []),
        ]}
      />
      {error && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      {!data && !error && <LoadingPage />}
      {data && data.days.length === 0 && (
        <Nothing title="Nothing is known yet" icon={EnergyIcon}>
          Give <Link to="/hosts">hosts</Link> their power curves, on their pages under Power, or a power management
          whose BMC measures.
        </Nothing>
      )}
      {data && data.days.length > 0 && (
        <>
          <Panel title="In all">
            <Facts>
              <Fact name="Used">{kWh(data.usedKWh)}</Fact>
              <Fact name="Saved">
                {kWh(data.savedKWh)}
                {total > 0 && `, ${Math.round((100 * data.savedKWh) / total)} %`}
              </Fact>
            </Facts>
            <EnergyBars days={data.days} />
          </Panel>
          <Panel title="By day and host">
            <DataTable
              label="Energy"
              rows={newestFirst}
              columns={COLUMNS}
              rowKey={({ day, hostId }) => `${day} ${hostId}`}
              empty={null}
            />
          </Panel>
        </>
      )}
    </PageFrame>
  );
}
