/** What a host is worth to a VM that needs one: the same scores for moves and for the first placement. */
import type { SchedulingPolicy } from '#contracts';
import type { ClusterState } from './cluster-state.js';
import type { Demand, HostState } from './host-state.js';
import { costOfJoining } from './imbalance.js';
import { pressureOf } from './pressure.js';

/** The lower the better. */
export type Score = (host: HostState, demand: Demand) => number;

/** Soft rules count in every policy; where a host waits for its own CPU or memory, that ranks before all else. */
export function scoreOf(policy: SchedulingPolicy, state: ClusterState): Score {
  const own = ownScore(policy);
  return (host, demand) =>
    own(host, demand) + state.affinity.penalty(demand.id, host.index) + PRESSED * Number(isPressed(host, policy));
}

function ownScore(policy: SchedulingPolicy): Score {
  switch (policy.name) {
    case 'vm_evenly_distributed':
      return (host) => host.residents.size;
    case 'power_saving':
      return packed;
    default:
      return costOfJoining;
  }
}

/** More than any other difference between hosts. */
const PRESSED = 1e9;
const EMPTY = 1e6;
const WATTS_PER_CORE = 1e3;

/** Hosts that run VMs anyway, of these the ones that do most with a watt, of these the fullest. */
const packed: Score = (host) =>
  EMPTY * Number(host.residents.size === 0) +
  WATTS_PER_CORE * wattsPerCore(host) -
  host.expectedCores * host.percentPerCore;

/** Watts for each core when all of them are busy; 0 where no power curve is known. */
export const wattsPerCore = (host: HostState): number => (host.facts.power?.wattsAt?.at(-1) ?? 0) / host.facts.cpuCores;

const DEFAULT_HIGH_PRESSURE = 40;

/** Points by which hosts' pressure has to differ to tell them apart. */
const NOTABLE_PRESSURE = 10;

/**
 * Whether VMs there have to wait so much that no policy adds to it. Where all hosts wait about alike, none of them is a
 * better place by that, and load decides.
 */
export function isPressed(host: HostState, policy: SchedulingPolicy): boolean {
  const pressure = pressureOf(host);
  return pressure > highPressure(policy) && pressure > host.leastPressure + NOTABLE_PRESSURE;
}

const highPressure = (policy: SchedulingPolicy): number =>
  policy.name === 'evenly_distributed' || policy.name === 'power_saving'
    ? policy.parameters.HighPressure
    : DEFAULT_HIGH_PRESSURE;
