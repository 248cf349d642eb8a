/** What the planner is told of a simulated cluster. */
import type { AffinityGroup } from '#contracts';
import { withReturns } from '#maintenance';
import { type ClusterFacts, type HostFacts, type HostPressure, type VmFacts, whyBound } from '#planner';
import type { SimulatedHost, SimulatedVm } from './cluster.js';
import { type Memory, NEW_VM } from './memory.js';
import type { Simulation } from './simulation.js';
import { percentAt } from './trace.js';

/** Cores of different speed are told to the planner as cores of this one. */
export const MIPS_PER_CORE = 1000;
const MBPS_PER_MIBPS = (8 * 1024 * 1024) / 1_000_000;

export interface FactsSettings {
  readonly memoryOvercommit: number;
  /** Hosts tell how long VMs wait for them; absent: they do not, as kernels without PSI. */
  readonly pressure?: boolean;
  readonly affinityGroups?: readonly AffinityGroup[];
}

/** The cluster as it is: moves that have yet to begin are not among those under way. */
export function factsOf({ hosts, vms, nowS }: Simulation, memory: Memory, settings: FactsSettings): ClusterFacts {
  const migrating = new Set(memory.migrations.map(({ vmId }) => vmId));
  return {
    hosts: hosts.map((host) => hostFacts(host, memory, settings, nowS)),
    vms: vms.filter((vm) => !vm.isDown).map((vm) => vmFacts(vm, memory, migrating, nowS)),
    inFlight: memory.migrations.map(({ vmId, sourceHostId, destinationHostId }) => ({
      vmId,
      sourceHostId,
      destinationHostId,
    })),
    affinityGroups: settings.affinityGroups ?? [],
    forecastCores: null,
  };
}

/** As policies are to see it: VMs that come back after maintenance are on their way, too. */
export const factsToPlan = (simulation: Simulation, memory: Memory, settings: FactsSettings): ClusterFacts =>
  withReturns(factsWithPlans(simulation, memory, settings), memory.runs);

/** The same with moves of plans that have yet to begin, so that nothing is planned twice. */
export function factsWithPlans(simulation: Simulation, memory: Memory, settings: FactsSettings): ClusterFacts {
  const facts = factsOf(simulation, memory, settings);
  const toCome = memory.plans.flatMap(({ moves }) => moves.filter(({ state }) => state === 'approved'));
  return toCome.length === 0 ? facts : { ...facts, inFlight: [...facts.inFlight, ...toCome] };
}

function hostFacts(
  host: SimulatedHost,
  { overUtilizedSinceMs }: Memory,
  { memoryOvercommit, pressure = false }: FactsSettings,
  nowS: number,
): HostFacts {
  const { id, name, memoryMiB, linkMbps, powerCurve, bootSeconds, labels = [] } = host.description;
  return {
    id,
    name,
    status: statusOf(host),
    labels,
    cpuCores: host.capacityMips / MIPS_PER_CORE,
    memoryMiB: memoryMiB * memoryOvercommit,
    networkMiBps: linkMbps / MBPS_PER_MIBPS,
    cpuUsedCores: host.askedMips / MIPS_PER_CORE,
    networkUsedMiBps: [...host.vms].reduce((sum, vm) => sum + networkMiBps(vm, nowS), 0),
    pressure: pressure ? { ...NO_PRESSURE, cpuSomePercent: host.cpuPressurePercent } : null,
    overUtilizedSinceMs: overUtilizedSinceMs[id] ?? null,
    power: {
      wattsAt: powerCurve,
      wakeUp: 'proven',
      bootSeconds,
      isParked: host.isParked,
      sinceMs: host.powerSinceS * 1000,
      ageYears: null,
    },
  };
}

/** Memory that VMs are promised is there, and disks are nobody's here. */
const NO_PRESSURE: HostPressure = { cpuSomePercent: 0, memorySomePercent: 0, ioSomePercent: 0, stealPercent: 0 };

function vmFacts(vm: SimulatedVm, memory: Memory, migrating: ReadonlySet<string>, nowS: number): VmFacts {
  const { id, name, memoryMiB, vcpus, labels = [], dirtyMiBps, placement = 'migratable', priority } = vm.description;
  return {
    id,
    name,
    hostId: vm.host.description.id,
    status: vm.host.status === 'non_responsive' ? 'unknown' : migrating.has(id) ? 'migrating' : 'up',
    labels,
    cpuUsedCores: vm.requestedMips / MIPS_PER_CORE,
    memoryMiB,
    vcpus,
    networkUsedMiBps: networkMiBps(vm, nowS),
    prediction: null,
    memoryUsedMiB: vm.description.memory ? vm.usedMiBAt(nowS) : null,
    dirtyRateMiBps: dirtyMiBps ?? null,
    immovableReason: whyBound({ name, placement, migrationObstacle: null }),
    isLeftToPeople: placement !== 'migratable',
    ...(priority !== undefined && { priority }),
    ...(memory.vms[id] ?? NEW_VM),
  };
}

/** As the real controller would have it. */
export function statusOf(host: SimulatedHost): HostFacts['status'] {
  if (host.status === 'non_responsive') return 'non_responsive';
  switch (host.power) {
    case 'on':
      return host.status;
    case 'off':
      return 'powered_off';
    case 'booting':
      return 'powering_on';
  }
}

const networkMiBps = ({ description: { network }, host }: SimulatedVm, nowS: number): number =>
  network ? ((percentAt(network, nowS) / 100) * host.description.linkMbps) / MBPS_PER_MIBPS : 0;
