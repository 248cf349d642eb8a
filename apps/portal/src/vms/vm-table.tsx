import { type ReactNode, useMemo } from 'react';
import { Link } from 'react-router';
import type { VmView } from '#contracts';
import { type Column, DataTable } from '../parts/data-table.js';
import { cores, mebibytes, rate } from '../parts/figures.js';
import { HostLink } from '../parts/links.js';
import { Meter } from '../parts/meter.js';
import { VmStatusLabel, vmStatusWord } from '../parts/status.js';
import { useInventory } from '../live/inventory.js';
import { VmActions } from './vm-actions.js';

interface VmTableProps {
  readonly vms: readonly VmView[];
  readonly withoutHost?: boolean;
  readonly empty: ReactNode;
}

export function VmTable({ vms, withoutHost, empty }: VmTableProps) {
  const { hosts } = useInventory();
  const columns = useMemo<Column<VmView>[]>(() => {
    const names = new Map(hosts.map(({ id, name }) => [id, name]));
    const hostName = (id: string | null) => (id === null ? '' : (names.get(id) ?? ''));
    const host: Column<VmView> = {
      title: 'Host',
      render: ({ hostId }) => <HostLink id={hostId} />,
      sortBy: ({ hostId }) => hostName(hostId),
    };
    return [
      {
        title: 'Name',
        render: ({ id, name }) => (
          <Link to={`/vms/${id}`} className="nowrap">
            {name}
          </Link>
        ),
        sortBy: ({ name }) => name,
      },
      {
        title: 'Status',
        render: ({ status, statusReason }) => <VmStatusLabel status={status} reason={statusReason} />,
        sortBy: ({ status }) => vmStatusWord(status),
      },
      ...(withoutHost ? [] : [host]),
      {
        title: 'CPU',
        render: (vm) => (
          <Meter
            kind="cpu"
            label={`CPU of ${vm.name}`}
            used={vm.cpuUsedCores}
            capacity={vm.vcpus}
            format={cores}
            unit="vCPU"
          />
        ),
        sortBy: ({ cpuUsedCores }) => cpuUsedCores ?? -1,
      },
      {
        title: 'Memory',
        render: (vm) => (
          <Meter
            kind="memory"
            label={`Memory of ${vm.name}`}
            used={vm.memoryUsedMiB}
            capacity={vm.memoryMiB}
            format={mebibytes}
          />
        ),
        sortBy: ({ memoryUsedMiB }) => memoryUsedMiB ?? -1,
      },
      {
        title: 'Writes',
        render: ({ dirtyRateMiBps }) =>
          dirtyRateMiBps === null ? <span className="subtle">–</span> : rate(dirtyRateMiBps),
        sortBy: ({ dirtyRateMiBps }) => dirtyRateMiBps ?? -1,
        align: 'right',
      },
      {
        title: 'Moved',
        render: ({ migrationCount }) => `${migrationCount}×`,
        sortBy: ({ migrationCount }) => migrationCount,
        align: 'right',
        priority: 'medium',
      },
      { title: 'Image', render: ({ image }) => image, sortBy: ({ image }) => image, priority: 'low' },
      { title: 'Actions', render: (vm) => <VmActions vm={vm} />, isActions: true },
    ];
  }, [hosts, withoutHost]);
  return (
    <DataTable
      label="Virtual machines"
      rows={vms}
      columns={columns}
      rowKey={({ id }) => id}
      sortedBy={0}
      empty={empty}
    />
  );
}
