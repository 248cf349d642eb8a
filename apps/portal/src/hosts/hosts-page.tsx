import { Button, SearchInput } from '@patternfly/react-core';
import { useMemo, useState } from 'react';
import { Link } from 'react-router';
import { HostStatus, type HostView } from '#contracts';
import { useInventory } from '../live/inventory.js';
import { type Column, DataTable } from '../parts/data-table.js';
import { Nothing } from '../parts/feedback.js';
import { FilterBar, optionsOf, useFilters } from '../parts/filters.js';
import { cores, mebibytes, plural } from '../parts/figures.js';
import { AddIcon, HostIcon } from '../parts/icons.js';
import { Meter } from '../parts/meter.js';
import { PageFrame } from '../parts/page.js';
import { HostStatusLabel, hostStatusWord } from '../parts/status.js';
import { When } from '../parts/when.js';
import { AddHostDialog } from './add-host-dialog.js';
import { HostActions } from './host-actions.js';

export function HostsPage() {
  const { hosts, clusters } = useInventory();
  const [adds, setAdds] = useState(false);
  const filters = useFilters();
  const text = filters.get('name') ?? '';
  const [inStatus, inCluster] = [filters.get('status'), filters.get('cluster')];
  const shown = hosts.filter(
    (host) =>
      host.name.toLowerCase().includes(text.toLowerCase()) &&
      (!inStatus || host.status === inStatus) &&
      (!inCluster || host.clusterId === inCluster),
  );
  const columns = useMemo<Column<HostView>[]>(
    () => [
      {
        title: 'Name',
        render: ({ id, name }) => (
          <Link to={`/hosts/${id}`} className="nowrap">
            {name}
          </Link>
        ),
        sortBy: ({ name }) => name,
      },
      {
        title: 'Status',
        render: ({ status, statusReason }) => (
          <div>
            <HostStatusLabel status={status} reason={statusReason} />
            {statusReason && status !== 'up' && <div className="subtle cell-reason">{statusReason}</div>}
          </div>
        ),
        sortBy: ({ status }) => hostStatusWord(status),
      },
      ...(clusters.length > 1
        ? [
            {
              title: 'Cluster',
              render: ({ clusterId }: HostView) => clusters.find(({ id }) => id === clusterId)?.name,
              priority: 'medium' as const,
            },
          ]
        : []),
      {
        title: 'CPU',
        render: (host) => (
          <Meter
            marksHigh
            kind="cpu"
            label={`CPU of ${host.name}`}
            used={host.cpuUsedCores}
            capacity={host.cpuCores}
            format={cores}
            unit="cores"
          />
        ),
        sortBy: ({ cpuUsedCores, cpuCores }) => (cpuUsedCores ?? 0) / (cpuCores ?? 1),
      },
      {
        title: 'Memory',
        render: (host) => (
          <Meter
            marksHigh
            kind="memory"
            label={`Memory of ${host.name}`}
            used={host.memoryUsedMiB}
            capacity={host.memoryMiB}
            format={mebibytes}
          />
        ),
        sortBy: ({ memoryUsedMiB, memoryMiB }) => (memoryUsedMiB ?? 0) / (memoryMiB ?? 1),
      },
      { title: 'VMs', render: ({ vmCount }) => vmCount, sortBy: ({ vmCount }) => vmCount, align: 'right' },
      {
        title: 'Moving',
        render: ({ migrationCount }) => migrationCount,
        sortBy: ({ migrationCount }) => migrationCount,
        align: 'right',
      },
      {
        title: 'Agent',
        render: ({ agentVersion }) => agentVersion ?? <span className="subtle">none</span>,
        priority: 'medium',
      },
      { title: 'Heartbeat', render: ({ lastHeartbeatAt }) => <When at={lastHeartbeatAt} />, priority: 'medium' },
      { title: 'Actions', render: (host) => <HostActions host={host} />, isActions: true },
    ],
    [clusters],
  );
  const add = (
    <Button icon={<AddIcon />} onClick={() => setAdds(true)} isDisabled={clusters.length === 0}>
      Add host
    </Button>
  );
  return (
    <PageFrame title="Hosts" description="Machines on which an agent runs VMs." actions={hosts.length > 0 && add}>
      {hosts.length > 0 && (
        <FilterBar
          filters={filters}
          choices={[
            {
              name: 'status',
              any: 'Any status',
              options: HostStatus.options.map((value) => ({ value, label: hostStatusWord(value) })),
            },
            ...(clusters.length > 1 ? [{ name: 'cluster', any: 'Any cluster', options: optionsOf(clusters) }] : []),
          ]}
          aside={
            shown.length === hosts.length
              ? plural(hosts.length, 'host')
              : `${shown.length} of ${plural(hosts.length, 'host')}`
          }
        >
          <SearchInput
            aria-label="Filter by name"
            placeholder="Filter by name"
            value={text}
            onChange={(_, value) => filters.set('name', value)}
            onClear={() => filters.set('name', '')}
          />
        </FilterBar>
      )}
      <DataTable
        label="Hosts"
        rows={shown}
        columns={columns}
        rowKey={({ id }) => id}
        sortedBy={0}
        empty={
          hosts.length === 0 ? (
            <Nothing title="No hosts yet" icon={HostIcon} action={add}>
              {clusters.length === 0
                ? 'First create a cluster, on the dashboard.'
                : 'Add a host, then start its agent with the token that is shown.'}
            </Nothing>
          ) : (
            <Nothing
              title="No host matches"
              action={
                <Button variant="link" onClick={filters.clear}>
                  Clear filters
                </Button>
              }
            >
              Change the name or the status.
            </Nothing>
          )
        }
      />
      {adds && <AddHostDialog onClose={() => setAdds(false)} />}
    </PageFrame>
  );
}
