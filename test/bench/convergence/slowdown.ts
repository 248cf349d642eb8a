/** How much of its work a pager did not do, from what it prints each second: pure. */

export interface Beat {
  /** Guest time, which stands still while the guest does. */
  readonly timeMs: number;
  readonly writtenMiB: number;
}

export function beatsOf(console: string): Beat[] {
  return [...console.matchAll(/^pager seq=\d+ time_ms=(\d+) written_mib=(\d+) checked_pages=\d+/gm)].map(
    ([, timeMs, writtenMiB]) => ({ timeMs: Number(timeMs), writtenMiB: Number(writtenMiB) }),
  );
}

const rateOf = (from: Beat, to: Beat): number => (to.writtenMiB - from.writtenMiB) / (to.timeMs - from.timeMs);

/**
 * Percent of a migration's time in which the guest did none of its work, the pause included: what it did between the last
 * beat before and the first one after, against what it did before. Null if it does no work, or said too little.
 */
export function slowdownPercent(before: readonly Beat[], after: Beat, pauseMs: number, totalMs: number): number | null {
  const [first, last] = [before.at(-3), before.at(-1)];
  if (!first || !last || first === last) return null;
  const usual = rateOf(first, last);
  if (usual <= 0) return null;
  const windowMs = after.timeMs - last.timeMs;
  const idleMs = windowMs - (after.writtenMiB - last.writtenMiB) / usual + pauseMs;
  return Math.min(100, Math.max(0, (idleMs / totalMs) * 100));
}
