/**
 * How unevenly load lies on the hosts, in points from 0 to 100.
 *
 * A host's deviation is how far its CPU, its memory and its network, in percent of its capacity, are from the cluster's
 * average: the root mean square of these. (The network counts where the links of all hosts are known.) The cluster's imbalance is the root mean square of its hosts' deviations, so with hosts
 * of one size it is the standard deviation of utilisation over both dimensions. The idea is that of Ganeti's cluster
 * score (htools, hbal(1)): one figure from the spread of several resources, and steps that lower it.
 *
 * The average is the load of all hosts over the capacity of all, which no move between them changes. So a move changes
 * the deviation of its two hosts alone, in constant time, and what it does for the two it does for the cluster.
 *
 * A move's gain is measured on its two hosts: their imbalance before less after. Measured on the cluster, the gain of
 * the same move would shrink with the number of hosts, and no single move in a cluster of a thousand could be worth it.
 */
import { type Demand, type HostState, networkOf } from './host-state.js';

interface Spread {
  readonly hostsUp: readonly HostState[];
  /** Of these. */
  readonly sumOfSquaredDeviations: number;
}

type Load = Pick<Demand, 'cpuUsedCores' | 'memoryMiB' | 'networkUsedMiBps'>;

/** The cluster's imbalance: over the hosts that are up, with moves counted as arrived. 0 without hosts. */
export function imbalanceOf(state: Spread): number {
  if (state.hostsUp.length === 0) return 0;
  return Math.min(100, Math.sqrt(state.sumOfSquaredDeviations / state.hostsUp.length));
}

export const squaredDeviation = (host: HostState): number =>
  (host.cpuDeviation ** 2 + host.memoryDeviation ** 2 + host.networkDeviation ** 2) / host.dimensions;

/** By how much the host's squared deviation falls if the demand leaves it; negative if it rises. */
export function reliefOfLeaving(host: HostState, demand: Load): number {
  const cpu = demand.cpuUsedCores * host.percentPerCore;
  const memory = demand.memoryMiB * host.percentPerMiB;
  const network = networkOf(demand) * host.percentPerMiBps;
  return (
    (cpu * (2 * host.cpuDeviation - cpu) +
      memory * (2 * host.memoryDeviation - memory) +
      network * (2 * host.networkDeviation - network)) /
    host.dimensions
  );
}

/** By how much the host's squared deviation rises if the demand joins it; negative if it falls. */
export function costOfJoining(host: HostState, demand: Load): number {
  const cpu = demand.cpuUsedCores * host.percentPerCore;
  const memory = demand.memoryMiB * host.percentPerMiB;
  const network = networkOf(demand) * host.percentPerMiBps;
  return (
    (cpu * (2 * host.cpuDeviation + cpu) +
      memory * (2 * host.memoryDeviation + memory) +
      network * (2 * host.networkDeviation + network)) /
    host.dimensions
  );
}

/** How much each core (MiB, MiB/s) that joins the host costs, but for the square of its own size. Lowest is best. */
export const cpuPull = (host: HostState): number => (2 * host.cpuDeviation * host.percentPerCore) / host.dimensions;
export const memoryPull = (host: HostState): number =>
  (2 * host.memoryDeviation * host.percentPerMiB) / host.dimensions;
export const networkPull = (host: HostState): number =>
  (2 * host.networkDeviation * host.percentPerMiBps) / host.dimensions;

/** What the square of its own size costs there besides, for a resource of which a core (MiB, MiB/s) is so many percent. */
export const ownWeight = (host: HostState, percentPerUnit: number): number => percentPerUnit ** 2 / host.dimensions;

/**
 * No move between the two relieves more than this. Of one resource, what leaves the source as x percent of it joins the
 * destination as k x percent; relief x (2 s - x) - k x (2 d + k x) is largest, (s - k d)^2 / (1 + k^2), at its vertex.
 */
export function mostRelief(source: HostState, destination: HostState): number {
  const sum =
    vertex(source.cpuDeviation, destination.cpuDeviation, destination.percentPerCore / source.percentPerCore) +
    vertex(source.memoryDeviation, destination.memoryDeviation, destination.percentPerMiB / source.percentPerMiB) +
    (source.percentPerMiBps > 0
      ? vertex(
          source.networkDeviation,
          destination.networkDeviation,
          destination.percentPerMiBps / source.percentPerMiBps,
        )
      : 0);
  return sum / source.dimensions;
}

function vertex(source: number, destination: number, k: number): number {
  const apart = source - k * destination;
  return apart > 0 ? apart ** 2 / (1 + k ** 2) : 0;
}

/** The least relief by which a move away from the host can gain so many points, whatever its destination (see gainOf). */
export function leastReliefFor(source: HostState, gain: number): number {
  // The gain is largest if the destination is on the average: the more the two deviate, the less the same relief is.
  const alone = squaredDeviation(source);
  const left = Math.sqrt(alone / 2) - gain;
  return left > 0 ? alone - 2 * left ** 2 : 2 * gain ** 2;
}

/** Points by which the imbalance of two hosts falls when the sum of their squared deviations falls by `relief`. */
export function gainOf(source: HostState, destination: HostState, relief: number): number {
  const before = squaredDeviation(source) + squaredDeviation(destination);
  return Math.sqrt(before / 2) - Math.sqrt(Math.max(0, before - relief) / 2);
}
