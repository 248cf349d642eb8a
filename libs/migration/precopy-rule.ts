/** When pre-copy has copied enough: pure, from figures alone. */

/** What a pass over the dirty log sent, and how long that took until the destination had it. */
export interface PassMeasure {
  readonly bytes: number;
  readonly durationMs: number;
}

export interface PrecopyFacts {
  /** Content of all pages that are dirty now, after the log was read: exact, not an estimate. */
  readonly remainingBytes: number;
  /** See measureBandwidth; null before the first pass. */
  readonly bytesPerMs: number | null;
  readonly downtimeLimitMs: number;
}

export interface PrecopyDecision {
  readonly action: 'iterate' | 'stop';
  readonly reason: string;
  /** How long the rest would take with the guest stopped; null while no bandwidth is known. */
  readonly expectedDowntimeMs: number | null;
}

/** A bandwidth is taken from at least this much, where there is: a pass of three pages measures latency. */
const ENOUGH_BYTES = 4 * 2 ** 20;

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

/** Whether to stop the guest and send the rest, or to go over the dirty log once more. */
export function decide({ remainingBytes, bytesPerMs, downtimeLimitMs }: PrecopyFacts): PrecopyDecision {
  if (bytesPerMs === null) {
    return { action: 'iterate', reason: 'no bandwidth is measured yet', expectedDowntimeMs: null };
  }
  const expectedDowntimeMs = remainingBytes / bytesPerMs;
  const fits = expectedDowntimeMs <= downtimeLimitMs;
  const figures = `${remainingBytes} bytes remain, about ${expectedDowntimeMs.toFixed(1)} ms of downtime`;
  return {
    action: fits ? 'stop' : 'iterate',
    reason: `${figures}: ${fits ? 'within' : 'beyond'} the limit of ${downtimeLimitMs} ms`,
    expectedDowntimeMs,
  };
}
