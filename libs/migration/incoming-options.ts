/** What the destination of a migration is made of, and what a caller turned out to be. */
import type { Checkpoint } from './checkpoint.js';
import type { Codec } from './codec.js';
import type { Compressors } from './compressors.js';
import type { MigrationError } from './errors.js';
import type { IncomingFigures } from './incoming-figures.js';
import type { Clock, DestinationMachine } from './ports.js';

export interface IncomingOptions {
  readonly machine: DestinationMachine;
  readonly codec: Codec;
  readonly clock: Clock;
  /** Epoch of the newest owner that is known here; a stream must carry a greater one. */
  readonly epoch: number;
  /** Called at every change of status and after every pass. */
  readonly onChange: (figures: IncomingFigures) => void;
  readonly postcopyPatienceMs?: number;
  /** For batches that come compressed; without these none may. */
  readonly compressors?: Compressors;
  /** What is here of the VM from an earlier stay; null if nothing is. */
  readonly openCheckpoint?: () => Checkpoint | null;
}

/** What a caller turned out to be: no migration at all, one that ended, or one more connection of the one under way. */
export type IncomingOutcome =
  | { readonly kind: 'stranger'; readonly error: MigrationError }
  | { readonly kind: 'joined' }
  | { readonly kind: 'running' }
  | { readonly kind: 'failed'; readonly error: MigrationError };
