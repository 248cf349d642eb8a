/** How long pre-copy still takes: a model of its passes. */

/** Link and guest as they are, or as a means would make them. */
export interface Outlook {
  readonly bytesPerMs: number;
  readonly dirtyBytesPerMs: number;
  /** What it writes at most, however long a pass takes. */
  readonly hotBytes: number;
  readonly downtimeLimitMs: number;
}

export interface Estimate {
  /** From now to the end; Infinity: it does not end. */
  readonly totalMs: number;
  readonly downtimeMs: number;
  /** Part of totalMs in which the guest does none of its work, because it is slowed down, waits for pages or stands still. */
  readonly lostMs: number;
}

export const ENDLESS: Estimate = { totalMs: Infinity, downtimeMs: Infinity, lostMs: Infinity };

/** Passes after which pre-copy that gains so little counts as endless. */
const MOST_PASSES = 200;

/** How a pass goes on that is under way. */
export interface PresentPass {
  /** Until it ends. */
  readonly restMs: number;
  /** What was written in it up to now: whatever is done about the guest, that has to be sent again. */
  readonly writtenBytes: number;
  /** Of the pass after it, where that is slower than the others: a cache is filled in it. Absent: it is not. */
  readonly nextBytesPerMs?: number;
}

/**
 * Each pass sends what was written during the one before, until that is so little that it is sent with the guest
 * stopped. `slowedShare`: of its time, by which the guest is slowed down meanwhile.
 */
export function precopyEstimate(
  outlook: Outlook,
  { restMs, writtenBytes, nextBytesPerMs = outlook.bytesPerMs }: PresentPass,
  slowedShare = 0,
): Estimate {
  const { bytesPerMs, dirtyBytesPerMs, hotBytes, downtimeLimitMs } = outlook;
  if (bytesPerMs <= 0 || !Number.isFinite(restMs)) return ENDLESS;
  let runningMs = restMs;
  let dirtyBytes = Math.min(hotBytes, writtenBytes + dirtyBytesPerMs * restMs);
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const sendMs = dirtyBytes / (pass === 0 ? nextBytesPerMs : bytesPerMs);
    if (sendMs <= downtimeLimitMs) {
      return { totalMs: runningMs + sendMs, downtimeMs: sendMs, lostMs: runningMs * slowedShare + sendMs };
    }
    runningMs += sendMs;
    const next = Math.min(hotBytes, dirtyBytesPerMs * sendMs);
    const isFilling = pass === 0 && nextBytesPerMs < bytesPerMs;
    if (next >= dirtyBytes && !isFilling) return ENDLESS;
    dirtyBytes = next;
  }
  return ENDLESS;
}
