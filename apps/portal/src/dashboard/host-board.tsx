/** Each host as a lane: its load, and the VMs that run on it. VMs are seen to move from lane to lane. */
import { type ReactNode, useMemo, useRef } from 'react';
import { Link } from 'react-router';
import type { HostView, MigrationView, VmView } from '#contracts';
import { Nothing } from '../parts/feedback.js';
import { cores, mebibytes, percentOf } from '../parts/figures.js';
import { ArrowIcon, HostIcon } from '../parts/icons.js';
import { LinkButton } from '../parts/link-button.js';
import { Meter } from '../parts/meter.js';
import { HostStatusLabel, VmStatusLabel, vmStatusWord } from '../parts/status.js';
import { lanesOf } from './lanes.js';
import { useGlide } from './use-glide.js';

/** What a page shows at once; a browser takes a minute for the hosts and VMs of a large datacenter. */
const MOST_LANES = 24;
const MOST_CHIPS = 40;

interface BoardProps {
  readonly hosts: readonly HostView[];
  readonly vms: readonly VmView[];
  readonly moving: readonly MigrationView[];
}

export function HostBoard({ hosts, vms, moving }: BoardProps) {
  const board = useRef<HTMLDivElement>(null);
  useGlide(board);
  const vmsOf = useMemo(() => Map.groupBy(vms, ({ hostId }) => hostId), [vms]);
  if (hosts.length === 0)
    return (
      <Nothing title="No hosts yet" icon={HostIcon} action={<LinkButton to="/hosts">Add a host</LinkButton>}>
        A host is a machine on which an agent runs. Add one, then start its agent with the token that is shown.
      </Nothing>
    );
  const homeless = vmsOf.get(null) ?? [];
  const shown = lanesOf(hosts, moving, MOST_LANES);
  return (
    <div className="board" ref={board}>
      {shown.map((host) => (
        <Lane
          key={host.id}
          host={host}
          vms={vmsOf.get(host.id) ?? []}
          leaving={moving.filter(({ sourceHostId }) => sourceHostId === host.id)}
          arriving={moving.filter(({ destinationHostId }) => destinationHostId === host.id)}
        />
      ))}
      {homeless.length > 0 && (
        <div className="lane lane-homeless">
          <div className="lane-name">
            <span className="subtle">On no host</span>
          </div>
          <Chips>
            {homeless.slice(0, MOST_CHIPS).map((vm) => (
              <Chip key={vm.id} vm={vm} />
            ))}
            <MoreVms count={homeless.length} to="/vms" />
          </Chips>
        </div>
      )}
      {shown.length < hosts.length && (
        <p className="quiet">
          {shown.length} of {hosts.length} hosts: those that are not up, then those with migrations, then the fullest.
        </p>
      )}
    </div>
  );
}

function MoreVms({ count, to }: { count: number; to: string }) {
  return count > MOST_CHIPS ? <Link to={to}>and {count - MOST_CHIPS} more</Link> : null;
}

interface LaneProps {
  readonly host: HostView;
  readonly vms: readonly VmView[];
  readonly leaving: readonly MigrationView[];
  readonly arriving: readonly MigrationView[];
}

function Lane({ host, vms, leaving, arriving }: LaneProps) {
  return (
    <div className="lane" data-host={host.name}>
      <div className="lane-name">
        <Link to={`/hosts/${host.id}`}>{host.name}</Link>
        <HostStatusLabel status={host.status} reason={host.statusReason} />
        {host.pressure && <PressureFigures pressure={host.pressure} />}
      </div>
      <div className="lane-meters">
        <span className="meter-name">CPU</span>
        <Meter
          marksHigh
          kind="cpu"
          label={`CPU of ${host.name}`}
          used={host.cpuUsedCores}
          capacity={host.cpuCores}
          format={cores}
          unit="cores"
        />
        <span className="meter-name">Memory</span>
        <Meter
          marksHigh
          kind="memory"
          label={`Memory of ${host.name}`}
          used={host.memoryUsedMiB}
          capacity={host.memoryMiB}
          format={mebibytes}
        />
      </div>
      <Chips>
        {vms.slice(0, MOST_CHIPS).map((vm) => (
          <Chip key={vm.id} vm={vm} to={leaving.find(({ vmId }) => vmId === vm.id)?.destinationHostName} />
        ))}
        {arriving
          .filter(({ vmId }) => vms.every(({ id }) => id !== vmId))
          .map((migration) => (
            <Link key={migration.id} to={`/migrations/${migration.id}`} className="chip chip-arriving">
              <ArrowIcon /> {migration.vmName} <span className="sr-only">arrives</span>
            </Link>
          ))}
        <MoreVms count={vms.length} to={`/vms?host=${host.id}`} />
        {vms.length === 0 && arriving.length === 0 && <span className="subtle">no VMs</span>}
      </Chips>
    </div>
  );
}

const Chips = ({ children }: { children: ReactNode }) => <div className="chips">{children}</div>;

/** One VM: name, load as a line below it, and where it goes if it moves. */
function Chip({ vm, to }: { vm: VmView; to?: string }) {
  const load = vm.cpuUsedCores === null ? 0 : percentOf(vm.cpuUsedCores, vm.vcpus);
  const figures =
    vm.cpuUsedCores === null ? '' : `, ${cores(vm.cpuUsedCores)} of ${vm.vcpus} vCPU, ${mebibytes(vm.memoryMiB)}`;
  return (
    <Link
      to={`/vms/${vm.id}`}
      className={`chip ${to ? 'chip-leaving' : ''} ${vm.status === 'up' || to ? '' : 'chip-quiet'}`}
      data-glide={vm.id}
      title={`${vm.name}: ${vmStatusWord(vm.status)}${figures}`}
    >
      <VmStatusLabel status={vm.status} iconOnly />
      {vm.name}
      {to && (
        <span className="chip-to">
          <ArrowIcon /> {to}
        </span>
      )}
      <span className="chip-load" style={{ inlineSize: `${load}%` }} />
    </Link>
  );
}

const PressureFigures = ({ pressure }: { pressure: NonNullable<HostView['pressure']> }) => (
  <span
    className="subtle pressure"
    title="Pressure: share of the last 10 s in which some task waited for CPU, memory or disk"
  >
    waits: CPU {pressure.cpuSomePercent.toFixed(0)} %, mem {pressure.memorySomePercent.toFixed(0)} %, I/O{' '}
    {pressure.ioSomePercent.toFixed(0)} %
  </span>
);
