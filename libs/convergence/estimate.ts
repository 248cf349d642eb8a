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
}

export const ENDLESS: Estimate = { totalMs: Infinity, downtimeMs: Infinity };

/** Passes after which pre-copy that gains so little counts as endless. */
const MOST_PASSES = 200;

/**
 * Each pass sends what was written during the one before, until that is so little that it is sent with the guest
 * stopped. `restMs`: until the present pass ends; `passMs`: how long it will have taken then.
 */
export function precopyEstimate(outlook: Outlook, restMs: number, passMs: number): Estimate {
  const { bytesPerMs, dirtyBytesPerMs, hotBytes, downtimeLimitMs } = outlook;
  if (bytesPerMs <= 0 || !Number.isFinite(restMs)) return ENDLESS;
  let totalMs = restMs;
  let dirtyBytes = Math.min(hotBytes, dirtyBytesPerMs * passMs);
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const sendMs = dirtyBytes / bytesPerMs;
    totalMs += sendMs;
    if (sendMs <= downtimeLimitMs) return { totalMs, downtimeMs: sendMs };
    const next = Math.min(hotBytes, dirtyBytesPerMs * sendMs);
    if (next >= dirtyBytes) return ENDLESS;
    dirtyBytes = next;
  }
  return ENDLESS;
}
