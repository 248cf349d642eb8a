import type { CompressionParameters } from './compression.js';
import type { ThrottleParameters } from './throttle.js';

/** May change while the migration runs. */
export interface PrecopyParameters {
  /** Bytes per second while the guest runs; 0 = no limit. */
  readonly maxBandwidth: number;
  readonly downtimeLimitMs: number;
  /** As maxBandwidth, of pages in post-copy that nobody waits for. */
  readonly maxPostcopyBandwidth: number;
  /** How long the other side may keep silent; while the guest is stopped, 10 s at the most. */
  readonly answerMs: number;
  /** How long a pause in post-copy may last before the guest counts as lost. */
  readonly recoverMs: number;
  readonly throttle: ThrottleParameters;
  /** XBZRLE's cache, a power of two; null: no XBZRLE. */
  readonly xbzrleCacheBytes: number | null;
  /** null: pages go as they are. */
  readonly compression: CompressionParameters | null;
}

/** No limit to the bandwidth, QEMU's default downtime limit, and nothing that helps guests which do not converge. */
export const DEFAULT_PARAMETERS: PrecopyParameters = {
  maxBandwidth: 0,
  downtimeLimitMs: 300,
  maxPostcopyBandwidth: 0,
  answerMs: 60_000,
  recoverMs: 600_000,
  throttle: { autoConverge: null, percentage: 0, writersOnly: false, parkedHarts: 0 },
  xbzrleCacheBytes: null,
  compression: null,
};

/** The most of `answerMs` while nobody runs the guest, or while it waits for a page. */
const MOST_STOPPED_MS = 10_000;

export const stoppedPatienceMs = (answerMs: number): number => Math.min(answerMs, MOST_STOPPED_MS);
