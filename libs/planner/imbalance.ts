/**
 * How unevenly load lies on the hosts, in points from 0 to 100.
 *
 * A host's deviation is how far its CPU and its memory, in percent of its capacity, are from the cluster's average: the
 * root mean square of the two. The cluster's imbalance is the root mean square of its hosts' deviations, so with hosts
 * of one size it is the standard deviation of utilisation over both dimensions. The idea is that of Ganeti's cluster
 * score (htools, hbal(1)): one figure from the spread of several resources, and steps that lower it.
 *
 * The average is the load of all hosts over the capacity of all, which no move between them changes. So a move changes
 * the deviation of its two hosts alone, in constant time, and what it does for the two it does for the cluster.
 *
 * A move's gain is measured on its two hosts: their imbalance before less after. Measured on the cluster, the gain of
 * the same move would shrink with the number of hosts, and no single move in a cluster of a thousand could be worth it.
 */
import type { ClusterState, Demand, HostState } from './cluster-state.js';

/** The cluster's imbalance: over the hosts that are up, with moves counted as arrived. 0 without hosts. */
export function imbalanceOf(state: ClusterState): number {
  if (state.hostsUp.length === 0) return 0;
  let sum = 0;
  for (const host of state.hostsUp) sum += squaredDeviation(host);
  return Math.min(100, Math.sqrt(sum / state.hostsUp.length));
}

function squaredDeviation(host: HostState): number {
  return (host.cpuDeviation ** 2 + host.memoryDeviation ** 2) / 2;
}

/** By how much the host's squared deviation falls if the demand leaves it; negative if it rises. */
export function reliefOfLeaving(host: HostState, demand: Demand): number {
  const cpu = demand.cpuUsedCores * host.percentPerCore;
  const memory = demand.memoryMiB * host.percentPerMiB;
  return (cpu * (2 * host.cpuDeviation - cpu) + memory * (2 * host.memoryDeviation - memory)) / 2;
}

/** By how much the host's squared deviation rises if the demand joins it; negative if it falls. */
export function costOfJoining(host: HostState, demand: Demand): number {
  const cpu = demand.cpuUsedCores * host.percentPerCore;
  const memory = demand.memoryMiB * host.percentPerMiB;
  return (cpu * (2 * host.cpuDeviation + cpu) + memory * (2 * host.memoryDeviation + memory)) / 2;
}

/** How much each core (each MiB) that joins the host costs, but for the square of its own size. Lowest is best. */
export const cpuPull = (host: HostState): number => host.cpuDeviation * host.percentPerCore;
export const memoryPull = (host: HostState): number => host.memoryDeviation * host.percentPerMiB;

/** No host costs less to join whose pulls are at least those of these two. */
export const leastCostOfJoining = (leastCpu: HostState, leastMemory: HostState, demand: Demand): number =>
  demand.cpuUsedCores * cpuPull(leastCpu) + demand.memoryMiB * memoryPull(leastMemory);

/** No move relieves more than one that takes all that one host is above the average to fill what the other is below. */
export function mostRelief(source: HostState, destination: HostState): number {
  const above = Math.max(0, source.cpuDeviation) ** 2 + Math.max(0, source.memoryDeviation) ** 2;
  const below = Math.min(0, destination.cpuDeviation) ** 2 + Math.min(0, destination.memoryDeviation) ** 2;
  return (above + below) / 2;
}

/** Points by which the imbalance of two hosts falls when the sum of their squared deviations falls by `relief`. */
export function gainOf(source: HostState, destination: HostState, relief: number): number {
  const before = squaredDeviation(source) + squaredDeviation(destination);
  return Math.sqrt(before / 2) - Math.sqrt(Math.max(0, before - relief) / 2);
}
