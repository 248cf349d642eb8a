/** The power curve of a host that nobody has given one, from what its BMC measures while it works. */
/** What was measured while CPU utilisation was within one tenth: means, of `samples`. */
export interface WattsBucket {
  readonly samples: number;
  /** 0 to 1. */
  readonly utilization: number;
  readonly watts: number;
}

/** Ten: 0 % to 10 %, … 90 % to 100 %; null: never measured. */
export type WattsSamples = readonly (WattsBucket | null)[];

const BUCKETS = 10;
/** What is older fades: hosts get other fans, disks and firmware. */
const MOST_SAMPLES = 1000;
/** A bucket with fewer is noise. */
const LEAST_SAMPLES = 5;
/** What was measured has to reach over so much utilisation to tell how watts rise. */
const LEAST_SPAN = 0.15;

/** The samples with one more. @param utilization 0 to 1. */
export function addWatts(before: WattsSamples | null, utilization: number, watts: number): WattsSamples {
  const place = Math.min(BUCKETS - 1, Math.max(0, Math.floor(utilization * BUCKETS)));
  return Array.from({ length: BUCKETS }, (_, index) => {
    const bucket = before?.[index] ?? null;
    if (index !== place) return bucket;
    const samples = Math.min(MOST_SAMPLES, (bucket?.samples ?? 0) + 1);
    const mean = (old: number, value: number) => old + (value - old) / samples;
    return {
      samples,
      utilization: mean(bucket?.utilization ?? 0, Math.min(1, Math.max(0, utilization))),
      watts: mean(bucket?.watts ?? 0, watts),
    };
  });
}

/**
 * Watts at 0 %, 10 %, … 100 %, or null as long as too little was measured. Of all curves that never fall it is the one
 * with the least squares to what was measured: neighbouring buckets that fall are replaced by their weighted mean, until
 * none does (pool adjacent violators: Ayer et al., Ann. Math. Stat. 26, 1955). In between and beyond it goes on straight.
 */
export function learntCurve(samples: WattsSamples | null): number[] | null {
  const known = (samples ?? []).flatMap((bucket) => (bucket && bucket.samples >= LEAST_SAMPLES ? [bucket] : []));
  if (known.length < 2 || known.at(-1)!.utilization - known[0]!.utilization < LEAST_SPAN) return null;
  const watts = nondecreasing(known);
  const points = known.map(({ utilization }, index) => ({ utilization, watts: watts[index]! }));
  return Array.from({ length: BUCKETS + 1 }, (_, index) => Math.max(0, onLines(points, index / BUCKETS)));
}

/** The watts of the buckets, with least squares so that they never fall. */
function nondecreasing(buckets: readonly WattsBucket[]): number[] {
  const pools: { samples: number; watts: number; buckets: number }[] = [];
  for (const { samples, watts } of buckets) {
    let pool = { samples, watts, buckets: 1 };
    while (pools.length > 0 && pools.at(-1)!.watts > pool.watts) {
      const before = pools.pop()!;
      const sum = before.samples + pool.samples;
      const mean = (before.watts * before.samples + pool.watts * pool.samples) / sum;
      pool = { samples: sum, watts: mean, buckets: before.buckets + pool.buckets };
    }
    pools.push(pool);
  }
  return pools.flatMap(({ watts, buckets: length }) => Array.from({ length }, () => watts));
}

/** Along the lines between the points; outside them along the line from the first to the last. */
function onLines(points: readonly { utilization: number; watts: number }[], utilization: number): number {
  const [first, last] = [points[0]!, points.at(-1)!];
  const after = points.find((point) => point.utilization >= utilization);
  if (after === undefined || after === first) {
    const near = after ?? last;
    return near.watts + slope(first, last) * (utilization - near.utilization);
  }
  const before = points[points.indexOf(after) - 1]!;
  return before.watts + slope(before, after) * (utilization - before.utilization);
}

const slope = (a: { utilization: number; watts: number }, b: { utilization: number; watts: number }): number =>
  (b.watts - a.watts) / (b.utilization - a.utilization);
