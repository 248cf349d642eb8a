/** What a host draws at a given load. */
import type { ClusterFacts } from './facts.js';

/** Watts at CPU utilisation 0 % … 100 %, at even distances; SPECpower_ssj2008 reports eleven. At least two. */
export type PowerCurve = readonly number[];

/** In between, along a straight line. @param utilization 0 to 1; what is more counts as 1. */
export function wattsAt(curve: PowerCurve, utilization: number): number {
  const position = Math.min(Math.max(utilization, 0), 1) * (curve.length - 1);
  const below = Math.min(Math.floor(position), curve.length - 2);
  const low = curve[below]!;
  return low + (curve[below + 1]! - low) * (position - below);
}

/** What all hosts that run draw with the VMs they have; null if the power curve of one of them is not known. */
export function wattsOf(facts: ClusterFacts): number | null {
  const used = new Map<string, number>();
  for (const { hostId, status, cpuUsedCores } of facts.vms)
    if (status !== 'down') used.set(hostId, (used.get(hostId) ?? 0) + cpuUsedCores);
  let watts = 0;
  for (const { id, status, cpuCores, power } of facts.hosts) {
    if (status === 'installing' || status === 'non_responsive' || status === 'powered_off') continue;
    if (!power?.wattsAt) return null;
    watts += wattsAt(power.wattsAt, (used.get(id) ?? 0) / cpuCores);
  }
  return watts;
}
