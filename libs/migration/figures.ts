/** What a migration tells about itself, at the source. All bytes are payload on the connection unless named otherwise. */
import type { CompressionFigures } from './compression.js';
import type { ErrorCode } from './errors.js';
import type { PageShares } from './page-sampler.js';
import type { PostcopyStatus } from './postcopy-source.js';
import type { ThrottleFigures } from './throttle.js';
import type { XbzrleFigures } from './xbzrle.js';

/** QEMU's names (qapi/migration.json, MigrationStatus). */
export type MigrationStatus =
  'setup' | 'active' | 'device' | PostcopyStatus | 'completed' | 'cancelling' | 'cancelled' | 'failed';

/** One pass over the dirty log. */
export interface Iteration {
  readonly iteration: number;
  /** Pages sent, zero pages included. */
  readonly pages: number;
  readonly zeroPages: number;
  readonly bytes: number;
  /** From the first page until the destination had the last one. */
  readonly durationMs: number;
  readonly bandwidthMiBps: number;
  /** What the guest wrote meanwhile: distinct pages. */
  readonly dirtyRateMiBps: number;
  /** Content of the pages that are dirty after this pass. */
  readonly remainingBytes: number;
  readonly expectedDowntimeMs: number | null;
}

/** Parts of the guest's pause, by the source's clock, in order; their sum is the downtime. */
export interface DowntimeBreakdown {
  readonly stopMs: number;
  readonly finalSyncMs: number;
  readonly finalPagesMs: number;
  readonly deviceStateMs: number;
  /** From the last byte handed over until the destination had loaded all of it. */
  readonly loadMs: number;
  /** From COMMIT until the destination said that the guest runs. */
  readonly resumeMs: number;
  /** What the destination measured of that: loading the state, starting the guest. */
  readonly destination: { readonly loadMs: number; readonly resumeMs: number };
}

export interface MigrationFigures {
  readonly migrationId: string;
  readonly epoch: number;
  readonly status: MigrationStatus;
  readonly totalMs: number;
  readonly setupMs: number;
  readonly ramBytes: number;
  readonly transferredBytes: number;
  readonly remainingBytes: number;
  readonly pages: number;
  readonly zeroPages: number;
  /** Pages with content that the destination had already, from an earlier stay of the VM. */
  readonly savedPages: number;
  readonly pageBytes: number;
  /** Pages that the destination has asked for, in post-copy. */
  readonly postcopyRequests: number;
  /** How often the dirty log was read. */
  readonly dirtySyncs: number;
  /** The first one and the latest ones. */
  readonly iterations: readonly Iteration[];
  /** Why it stopped the guest or went on, last time. */
  readonly reason: string;
  /** Of transferredBytes, what went on connections for pages alone. */
  readonly multifdBytes: number;
  readonly throttle: ThrottleFigures;
  readonly xbzrle: XbzrleFigures | null;
  readonly compression: CompressionFigures | null;
  /** What either would make of the pages that the guest writes. */
  readonly shares: PageShares;
  readonly downtimeMs: number | null;
  readonly downtimeBreakdown: DowntimeBreakdown | null;
  /** For `completed`: whether the destination said that it runs. False means: only it knows. */
  readonly confirmed: boolean | null;
  readonly error: { readonly code: ErrorCode | `remote_${string}`; readonly message: string } | null;
}

const ITERATIONS_KEPT = 100;

/** `iterations` with one more: the first stays, of the others the latest. */
export function appendIteration(iterations: readonly Iteration[], iteration: Iteration): readonly Iteration[] {
  const all = [...iterations, iteration];
  return all.length > ITERATIONS_KEPT ? [all[0]!, ...all.slice(2)] : all;
}

export const mebibytes = (bytes: number): number => bytes / 2 ** 20;
