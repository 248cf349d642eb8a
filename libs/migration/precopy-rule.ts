/** When pre-copy has copied enough: pure, from figures alone. */
import { layout } from '#vmm';

/** What a pass over the dirty log sent, and how long that took until the destination had it. */
export interface PassMeasure {
  readonly bytes: number;
  readonly durationMs: number;
}

export interface PrecopyFacts {
  /** What all pages that are dirty now, after the log was read, will take on the connection: their number is exact. */
  readonly remainingBytes: number;
  /** In which they were written: since the log was read before. */
  readonly passMs: number;
  /** See measureBandwidth; null before the first pass. */
  readonly bytesPerMs: number | null;
  readonly downtimeLimitMs: number;
  /** Only one pass has been made. */
  readonly isFirst: boolean;
  /** Passes so far that were made for a shorter downtime, although the rest would have fitted. */
  readonly extraPasses: number;
}

export interface PrecopyDecision {
  readonly action: 'iterate' | 'stop';
  readonly reason: string;
  /** How long the rest would take with the guest stopped; null while no bandwidth is known. */
  readonly expectedDowntimeMs: number | null;
}

/** A bandwidth is taken from at least this much, where there is: a pass of three pages measures latency. */
const ENOUGH_BYTES = 4 * 2 ** 20;
/** One more pass pays if it takes no more than this part of the last: then no more than this part is written meanwhile. */
const SHORTER = 2 / 3;
/** Not to be improved on: stopping, state and resumption take longer. */
const SHORT_MS = 1;
/** Worth one pass more after the first, by which alone nobody knows how fast pages can be sent. */
const LONG_MS = 20;
/** Passes become shorter each time; this is for a guest that falls silent and writes again in turns. */
const MOST_EXTRA_PASSES = 12;

/** Bytes per ms over the latest passes that together moved enough; null if there is nothing to measure. */
export function measureBandwidth(passes: readonly PassMeasure[]): number | null {
  let bytes = 0;
  let durationMs = 0;
  for (const pass of passes.toReversed()) {
    bytes += pass.bytes;
    durationMs += pass.durationMs;
    if (bytes >= ENOUGH_BYTES) break;
  }
  return bytes > 0 && durationMs > 0 ? bytes / durationMs : null;
}

/** What a page that is not zero took on the connection in a pass: less than a page where deltas or compression help. */
export function pageCost({ pages, zeroPages, bytes }: { pages: number; zeroPages: number; bytes: number }): number {
  return pages > zeroPages ? Math.min(bytes / (pages - zeroPages), layout.PAGE_SIZE) : layout.PAGE_SIZE;
}

export const fits = ({ expectedDowntimeMs }: PrecopyDecision, downtimeLimitMs: number): boolean =>
  expectedDowntimeMs !== null && expectedDowntimeMs <= downtimeLimitMs;

/**
 * Whether to stop the guest and send the rest, or to go over the dirty log once more: because the rest does not fit, or
 * because a pass would be so much shorter than the last that it leaves a good deal less to be sent in the pause. The first
 * pass is slow, since the destination touches its memory for the first time: a second one often is that much shorter.
 */
export function decide(facts: PrecopyFacts): PrecopyDecision {
  const { remainingBytes, passMs, bytesPerMs, downtimeLimitMs, isFirst, extraPasses } = facts;
  if (bytesPerMs === null) {
    return { action: 'iterate', reason: 'no bandwidth is measured yet', expectedDowntimeMs: null };
  }
  const expectedDowntimeMs = remainingBytes / bytesPerMs;
  const figures = `${Math.round(remainingBytes)} bytes remain, about ${expectedDowntimeMs.toFixed(1)} ms of downtime`;
  const say = (action: 'iterate' | 'stop', why: string) => ({
    action,
    reason: `${figures}: ${why} the limit of ${downtimeLimitMs} ms`,
    expectedDowntimeMs,
  });
  if (expectedDowntimeMs > downtimeLimitMs) return say('iterate', 'beyond');
  const isWorthIt = expectedDowntimeMs > SHORT_MS && expectedDowntimeMs <= passMs * SHORTER;
  if (isWorthIt && extraPasses < MOST_EXTRA_PASSES) return say('iterate', 'still shrinking fast, within');
  if (isFirst && expectedDowntimeMs > LONG_MS) return say('iterate', 'perhaps less after a second pass, within');
  return say('stop', 'within');
}
