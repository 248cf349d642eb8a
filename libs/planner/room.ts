/** Does a VM fit on a host? One set of rules for every kind of move and for placement. */
import type { HostStatus, SchedulingPolicy } from '#contracts';
import type { Demand, HostState } from './cluster-state.js';
import { explainDriver, suits } from './drivers.js';
import { ROUNDING, count, percent } from './words.js';

/** How far a host may be filled. */
export interface Room {
  /** Percent CPU that a destination may reach. */
  readonly maxCpuPercent: number;
  /** MiB that must stay free. */
  readonly memoryReserveMiB: number;
  readonly maxMigrationsPerHost: number;
}

/**
 * Orders of a person (maintenance, a manual migration, a start) may use a host up to its last core: better slow than
 * not at all. Memory is never promised twice. CPU that a new VM will use is not known, so it limits no placement.
 */
export function roomFor(policy: SchedulingPolicy, maxMigrationsPerHost: number, maxCpuPercent = 100): Room {
  const memoryReserveMiB = policy.name === 'evenly_distributed' ? policy.parameters.MinFreeMemoryForUnderUtilized : 0;
  return { maxCpuPercent, memoryReserveMiB, maxMigrationsPerHost };
}

/** Why a VM may not go to a host. `busy` passes by itself: the host takes part in as many migrations as it may. */
export type Obstacle = 'not_up' | 'driver' | 'vcpus' | 'memory' | 'cpu' | 'busy';

/** The first obstacle, the lasting ones before the passing one; null if there is none. */
export function obstacleTo(host: HostState, demand: Demand, room: Room): Obstacle | null {
  if (!host.isUp) return 'not_up';
  if (!suits(host.facts.drivers, demand)) return 'driver';
  if (demand.vcpus > wholeCores(host)) return 'vcpus';
  if (host.memoryHeldMiB + demand.memoryMiB + room.memoryReserveMiB > host.facts.memoryMiB) return 'memory';
  if (cpuPercentWith(host, demand) > room.maxCpuPercent + ROUNDING) return 'cpu';
  if (isBusy(host, room)) return 'busy';
  return null;
}

const STATUS_IN_WORDS: Record<HostStatus, string> = {
  installing: 'not set up yet',
  up: 'up',
  preparing_for_maintenance: 'being emptied for maintenance',
  maintenance: 'in maintenance',
  non_responsive: 'not responding',
};

/** The obstacle as a sentence for people. */
export function explainObstacle(obstacle: Obstacle, host: HostState, demand: Demand, room: Room): string {
  switch (obstacle) {
    case 'not_up':
      return `${host.name} is ${STATUS_IN_WORDS[host.facts.status]}`;
    case 'driver':
      return explainDriver(host.name, host.facts.drivers, demand);
    case 'vcpus':
      return `${host.name} has ${count(wholeCores(host), 'core')}, fewer than the VM's ${demand.vcpus} vCPUs`;
    case 'memory': {
      const free = host.facts.memoryMiB - host.memoryHeldMiB;
      const reserve = room.memoryReserveMiB > 0 ? ` and ${room.memoryReserveMiB} MiB must stay free` : '';
      return `${host.name} has ${free} MiB of memory free, the VM needs ${demand.memoryMiB} MiB${reserve}`;
    }
    case 'cpu':
      return `${host.name} would run at CPU ${percent(cpuPercentWith(host, demand))}, over ${percent(room.maxCpuPercent)}`;
    case 'busy':
      return explainBusy(host);
  }
}

export const isBusy = (host: HostState, room: Room): boolean => host.migrations >= room.maxMigrationsPerHost;

export const explainBusy = (host: HostState): string =>
  `${host.name} takes part in ${count(host.migrations, 'migration')}, as many as it may at once`;

/** A declared share of a core counts as a core. */
const wholeCores = (host: HostState): number => Math.ceil(host.facts.cpuCores);

const cpuPercentWith = (host: HostState, demand: Demand): number =>
  (host.cpuUsedCores + demand.cpuUsedCores) * host.percentPerCore;
