/** What load is to be expected soon: where it has been going, and what it usually does at this time of day. */
import type { SchedulingPolicy } from '#contracts';
import type { ClusterFacts } from './facts.js';

/** The cores that all VMs of a cluster used in a slot of time: the mean of what was measured. */
export interface LoadSlot {
  readonly startMs: number;
  readonly cores: number;
}

export interface Forecast {
  /** The most that is expected until the end of the horizon; never less than now. */
  readonly cores: number;
  readonly reason: string;
}

/** Slots are so long; what is stored for a cluster stays small. */
export const SLOT_MS = 300_000;
/** The trend is that of so much time. */
const TREND_MS = 3_600_000;
/** A shorter past says nothing about where load goes. */
const LEAST_TREND_SLOTS = 6;
/** A trend is followed for so long; after that it says less than the time of day. */
const LONGEST_TREND_MS = 1_800_000;
const DAY_MS = 86_400_000;
/** Earlier days are compared with, once there are so many. */
const LEAST_DAYS = 2;
/** Of the rises of earlier days the one that this share of them did not exceed: to wake a host too soon costs little. */
const QUANTILE = 0.75;

/**
 * The highest load expected between now and `horizonMs` later: what is used now, and the larger of
 * - the trend of the last hour (Theil–Sen: the median of all slopes, which single peaks do not turn), and
 * - what load has risen by in the same span of earlier days, compared with the same moment of that day (upper quartile).
 *
 * @param past slots in any order, at multiples of SLOT_MS; gaps are allowed.
 */
export function forecastLoad(past: readonly LoadSlot[], nowCores: number, horizonMs: number, nowMs: number): Forecast {
  const trend = trendRise(past, horizonMs, nowMs);
  const usual = usualRise(past, horizonMs, nowMs);
  const rise = Math.max(0, trend ?? 0, usual?.cores ?? 0);
  const minutes = Math.max(1, Math.round(horizonMs / 60_000));
  const cores = nowCores + rise;
  if (rise === 0) return { cores, reason: `load is expected to stay at ${nowCores.toFixed(1)} cores` };
  const why =
    usual && usual.cores >= (trend ?? 0)
      ? `at this time of day load rises by up to ${usual.cores.toFixed(1)} cores within ${minutes} min (${usual.days} days)`
      : `load has been rising, by ${rise.toFixed(1)} cores in ${minutes} min`;
  return { cores, reason: why };
}

/** Of a host that has never been woken. */
const ASSUMED_BOOT_SECONDS = 300;
/** What else passes between a decision and the first VM on a woken host. */
const MARGIN_MS = 60_000;

/** How far ahead a policy has to look; null: it switches no hosts. */
export function forecastHorizons({ hosts }: ClusterFacts, policy: SchedulingPolicy) {
  if (policy.name !== 'power_saving' || !policy.parameters.EnableAutomaticHostPowerManagement) return null;
  const switched = hosts.flatMap(({ power }) => (power?.wakeUp === 'proven' ? power.bootSeconds : null) ?? []);
  const bootSeconds = switched.reduce(
    (longest, seconds) => Math.max(longest, seconds),
    switched.length > 0 ? 0 : ASSUMED_BOOT_SECONDS,
  );
  const bootMs = MARGIN_MS + 1000 * bootSeconds;
  return { bootMs, offMs: bootMs + policy.parameters.MinimumOffMinutes * 60_000 };
}

/** Cores that all VMs use. */
export const coresUsed = ({ vms }: ClusterFacts): number =>
  vms.reduce((sum, vm) => sum + (vm.status === 'down' ? 0 : vm.cpuUsedCores), 0);

/** The facts with what load is expected by the time that a host could be woken, where the policy wakes hosts. */
export function withForecast(
  facts: ClusterFacts,
  policy: SchedulingPolicy,
  past: readonly LoadSlot[],
  nowMs: number,
): ClusterFacts {
  const horizons = forecastHorizons(facts, policy);
  if (!horizons) return facts;
  const within = (horizonMs: number) => forecastLoad(past, coresUsed(facts), horizonMs, nowMs).cores;
  return { ...facts, forecastCores: within(horizons.bootMs), forecastOffCores: within(horizons.offMs) };
}

/** Cores gained within the horizon if the last hour goes on; null: too little is known. */
function trendRise(past: readonly LoadSlot[], horizonMs: number, nowMs: number): number | null {
  const recent = past.filter(({ startMs }) => startMs > nowMs - TREND_MS && startMs <= nowMs);
  if (recent.length < LEAST_TREND_SLOTS) return null;
  const slopes: number[] = [];
  for (const [index, a] of recent.entries())
    for (const b of recent.slice(index + 1))
      if (a.startMs !== b.startMs) slopes.push((b.cores - a.cores) / (b.startMs - a.startMs));
  return quantile(slopes, 0.5) * Math.min(horizonMs, LONGEST_TREND_MS);
}

/** What load rose by from this time of day on, on earlier days; null: there were too few. */
function usualRise(
  past: readonly LoadSlot[],
  horizonMs: number,
  nowMs: number,
): { readonly cores: number; readonly days: number } | null {
  const at = new Map(past.map(({ startMs, cores }) => [startMs, cores]));
  const slot = Math.floor(nowMs / SLOT_MS) * SLOT_MS;
  const slotsAhead = Math.ceil(horizonMs / SLOT_MS);
  const earliest = past.reduce((first, { startMs }) => Math.min(first, startMs), Infinity);
  const rises: number[] = [];
  for (let day = slot - DAY_MS; day >= earliest; day -= DAY_MS) {
    const before = at.get(day);
    if (before === undefined) continue;
    let highest = before;
    for (let ahead = 1; ahead <= slotsAhead; ahead++) highest = Math.max(highest, at.get(day + ahead * SLOT_MS) ?? 0);
    rises.push(highest - before);
  }
  return rises.length < LEAST_DAYS ? null : { cores: quantile(rises, QUANTILE), days: rises.length };
}

/** The least value that this share of them does not exceed (nearest rank). */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
