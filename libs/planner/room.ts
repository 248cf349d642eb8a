/** Does a VM fit on a host? One set of rules for every kind of move and for placement. */
import type { SchedulingPolicy } from '#contracts';
import type { ClusterState } from './cluster-state.js';
import { type Demand, type HostState, expectedLoad, networkOf } from './host-state.js';
import { explainDriver, missingDevice, suits } from './drivers.js';
import { wasTakenFrom } from './cooldown.js';
import type { HostFacts, Limits } from './facts.js';
import { ROUNDING, count, percent } from './words.js';

/** How far a host may be filled. */
export interface Room {
  /** Percent CPU that a destination may reach. */
  readonly maxCpuPercent: number;
  /** MiB that must stay free. */
  readonly memoryReserveMiB: number;
  readonly maxMigrationsPerHost: number;
  /** How often a host may have so many of them, one after the other. */
  readonly rounds: number;
  /** Memory that other moves of the plan, which this one waits for, will have freed. */
  readonly freedMiB: ReadonlyMap<HostState, number>;
  /**
   * Expected load and so many standard deviations of it must stay below maxCpuPercent, too; null = what hosts use now
   * is what counts.
   */
  readonly peakDeviations: number | null;
  /** For moves by policies: the time, so that no VM is sent back to a host that it was taken from of late. */
  readonly policyAtMs: number | null;
}

/**
 * Orders of a person (maintenance, a manual migration, a start) may use a host up to its last core: better slow than
 * not at all. Memory is never promised twice. CPU that a new VM will use is not known, so it limits no placement.
 */
export function roomFor(policy: SchedulingPolicy, limits: Limits, maxCpuPercent = 100): Room {
  const memoryReserveMiB =
    policy.name === 'evenly_distributed' || policy.name === 'power_saving'
      ? policy.parameters.MinFreeMemoryForUnderUtilized
      : 0;
  return {
    maxCpuPercent,
    memoryReserveMiB,
    maxMigrationsPerHost: limits.maxMigrationsPerHost,
    rounds: 1,
    freedMiB: NOTHING_FREED,
    peakDeviations: null,
    policyAtMs: null,
  };
}

const NOTHING_FREED: ReadonlyMap<HostState, number> = new Map();

/** Why a VM may not go to a host. `busy` passes by itself: the host takes part in as many migrations as it may. */
export type Obstacle =
  | 'not_up'
  | 'driver'
  | 'host_device'
  | 'storage'
  | 'vcpus'
  | 'memory'
  | 'cpu'
  | 'peak'
  | 'network'
  | 'affinity'
  | 'cycle'
  | 'reservation'
  | 'busy';

/**
 * The first obstacle, the lasting ones before the passing one; null if there is none.
 *
 * @param together how many VMs that hard rules keep with this one come along.
 */
export function obstacleTo(
  state: ClusterState,
  host: HostState,
  demand: Demand,
  room: Room,
  together = 0,
): Obstacle | null {
  if (!host.isUp) return 'not_up';
  if (!suits(host.facts.drivers, demand)) return 'driver';
  if (missingDevice(host.facts.hostDevices, demand) !== null) return 'host_device';
  if (demand.vcpus > wholeCores(host)) return 'vcpus';
  if (demand.memoryMiB + room.memoryReserveMiB > freeMiB(host, room)) return 'memory';
  if (host.disksArriving.lacksFor(demand)) return 'storage';
  if (cpuPercentWith(host, demand) > room.maxCpuPercent + ROUNDING) return 'cpu';
  if (
    room.peakDeviations !== null &&
    peakPercentWith(host, demand, room.peakDeviations) > room.maxCpuPercent + ROUNDING
  )
    return 'peak';
  if (networkPercentWith(host, demand) > 100 + ROUNDING) return 'network';
  if (state.affinity.forbids(demand.id, host.index, together)) return 'affinity';
  if (room.policyAtMs !== null && wasTakenFrom(demand.recentMoves, host.id, room.policyAtMs)) return 'cycle';
  if (
    !state.reservation.allows(
      demand,
      host,
      demand.hostId === null ? null : state.locationOf({ id: demand.id, hostId: demand.hostId }),
    )
  )
    return 'reservation';
  if (isBusy(host, room)) return 'busy';
  return null;
}

const STATUS_IN_WORDS: Record<HostFacts['status'], string> = {
  installing: 'not set up yet',
  up: 'up',
  preparing_for_maintenance: 'being emptied for maintenance',
  maintenance: 'in maintenance',
  non_responsive: 'not responding',
  powering_off: 'being switched off',
  powered_off: 'switched off',
  powering_on: 'being switched on',
};

/** The obstacle as a sentence for people. */
export function explainObstacle(
  obstacle: Obstacle,
  state: ClusterState,
  host: HostState,
  demand: Demand,
  room: Room,
): string {
  const limit = percent(room.maxCpuPercent);
  switch (obstacle) {
    case 'not_up':
      return `${host.name} is ${STATUS_IN_WORDS[host.facts.status]}`;
    case 'driver':
      return explainDriver(host.name, host.facts.drivers, demand);
    case 'host_device':
      return `${host.name} has no device ${missingDevice(host.facts.hostDevices, demand)} for guests; its agent's DROVER_HOST_DEVICES names those that it has`;
    case 'storage': {
      const { storageDomain, neededMiB, freeMiB: left } = host.disksArriving.lacksFor(demand)!;
      return `${host.name} has no room for disks: ${left} MiB are free in storage domain ${storageDomain}, the VM needs ${neededMiB} MiB; make room there, or choose a shared storage domain`;
    }
    case 'vcpus':
      return `${host.name} has ${count(wholeCores(host), 'core')}, fewer than the VM's ${demand.vcpus} vCPUs`;
    case 'memory': {
      const free = Math.max(0, freeMiB(host, room));
      const reserve = room.memoryReserveMiB > 0 ? ` and ${room.memoryReserveMiB} MiB must stay free` : '';
      return `${host.name} has ${free} MiB of memory free, the VM needs ${demand.memoryMiB} MiB${reserve}`;
    }
    case 'cpu':
      return `${host.name} would run at CPU ${percent(cpuPercentWith(host, demand))}, over ${limit}`;
    case 'peak':
      return (
        `${host.name} would have to expect CPU peaks of ` +
        `${percent(peakPercentWith(host, demand, room.peakDeviations ?? 0))}, over ${limit}`
      );
    case 'network':
      return `the link of ${host.name} would be used to ${percent(networkPercentWith(host, demand))}`;
    case 'affinity':
      return `${host.name}: ${state.affinity.obstacle(demand.id, host.index, 0) ?? 'an affinity group forbids it'}`;
    case 'cycle':
      return `a policy has taken ${demand.name} away from ${host.name} of late; it is not sent to and fro`;
    case 'reservation':
      return (
        `with ${demand.name} on ${host.name}, the cluster could not take the VMs of failing hosts any more; ` +
        `add a host, or reserve less`
      );
    case 'busy':
      return explainBusy(host);
  }
}

export const isBusy = (host: HostState, room: Room): boolean => isFullOf(host.migrations, host, room);

/** Moves that were under way before the plan take the place of others for all of its time. */
export function isFullOf(migrations: number, { migrationsUnderWay }: HostState, room: Room): boolean {
  const left = Math.max(0, room.maxMigrationsPerHost - migrationsUnderWay);
  return migrations - migrationsUnderWay >= left * room.rounds;
}

/** Memory that nobody holds, or will hold when the moves that are waited for have arrived. */
export const freeMiB = (host: HostState, room: Room): number =>
  host.facts.memoryMiB - host.memoryHeldMiB + (room.freedMiB.get(host) ?? 0);

export function explainBusy({ name, migrations, migrationsUnderWay }: HostState): string {
  const most = migrations > migrationsUnderWay ? 'as many as one plan gives it' : 'as many as it may at once';
  return `${name} takes part in ${count(migrations, 'migration')}, ${most}`;
}

/** A declared share of a core counts as a core. */
const wholeCores = (host: HostState): number => Math.ceil(host.facts.cpuCores);

const cpuPercentWith = (host: HostState, demand: Demand): number =>
  (host.cpuUsedCores + demand.cpuUsedCores) * host.percentPerCore;

/** VMs peak independently of each other, so the variance of their sum is the sum of their variances. */
function peakPercentWith(host: HostState, demand: Demand, deviations: number): number {
  const { mean, variance } = expectedLoad(demand);
  const peak = host.expectedCores + mean + deviations * Math.sqrt(Math.max(0, host.expectedVariance + variance));
  return peak * host.percentPerCore;
}

/** 0 for a VM that uses none, as far as is known, and for a link of which nobody knows how fast it is. */
function networkPercentWith({ networkMiBps, networkUsedMiBps }: HostState, demand: Demand): number {
  const more = networkOf(demand);
  return networkMiBps === null || more === 0 ? 0 : (100 * (networkUsedMiBps + more)) / networkMiBps;
}
