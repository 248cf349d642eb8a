import type { DowntimeBreakdown } from './figures.js';
import type { Clock } from './ports.js';

/** What has been measured up to COMMIT. */
export interface Committed {
  readonly laps: Omit<DowntimeBreakdown, 'resumeMs' | 'destination'>;
  readonly lapMs: () => number;
  readonly destinationLoadMs: number;
  /** Pages are still to be sent. */
  readonly postcopy: boolean;
}

/** Milliseconds since the last call, or since the start. */
export function lapTimer(clock: Clock): () => number {
  let lastMs = clock.now();
  return () => {
    const beforeMs = lastMs;
    lastMs = clock.now();
    return lastMs - beforeMs;
  };
}
