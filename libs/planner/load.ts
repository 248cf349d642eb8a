/** What policies make of measured load: smoothed, and for how long it has been too high. Pure. */
import type { SchedulingPolicy } from '#contracts';

/** Load older than this many seconds counts for little (time constant of the exponential moving average). */
const SMOOTHING_SECONDS = 10;

/** Weight of the newest of two measurements: 1 - e^(-dt/T), so that it does not matter how often hosts report. */
export const smoothingWeight = (last: Date | null, now: Date): number =>
  last ? 1 - Math.exp(-Math.max(0, now.getTime() - last.getTime()) / 1000 / SMOOTHING_SECONDS) : 1;

export const smooth = (smoothed: number | null, measured: number, weight: number): number =>
  smoothed === null ? measured : smoothed + weight * (measured - smoothed);

type WithHighUtilization = Extract<SchedulingPolicy, { parameters: { HighUtilization: number } }>;
const hasHighUtilization = (policy: SchedulingPolicy): policy is WithHighUtilization =>
  'parameters' in policy && 'HighUtilization' in policy.parameters;

/** Since when the load (0-1) has been above the policy's HighUtilization; null if it is not. */
export function overUtilizedSince(since: Date | null, load: number, policy: SchedulingPolicy, now: Date): Date | null {
  if (!hasHighUtilization(policy) || load * 100 <= policy.parameters.HighUtilization) return null;
  return since ?? now;
}
