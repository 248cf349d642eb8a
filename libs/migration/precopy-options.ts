/** What the source of a migration is made of, and told. */
import type { PageHasher } from './checkpoint.js';
import type { Codec } from './codec.js';
import type { CompressorPool } from './compression.js';
import type { Compressors } from './compressors.js';
import type { MigrationFigures } from './figures.js';
import type { PrecopyParameters } from './parameters.js';
import type { Channel, Clock, SourceMachine } from './ports.js';

/** How long the destination may keep silent. */
export interface Patience {
  readonly runningMs: number;
  /** While the guest is stopped. */
  readonly stoppedMs: number;
}

export interface PrecopyOptions {
  readonly migrationId: string;
  /** The VM's ownership at the destination: greater than here. */
  readonly epoch: number;
  /** What is not given is as in DEFAULT_PARAMETERS. */
  readonly parameters: Partial<PrecopyParameters>;
  readonly machine: SourceMachine;
  readonly codec: Codec;
  readonly clock: Clock;
  /** What else follows from the parameters. */
  readonly patience?: Patience;
  readonly connect: (signal: AbortSignal) => Promise<Channel>;
  /** Whether post-copy may be started: a second connection is opened for it. */
  readonly postcopy?: boolean;
  /** Connections for pages alone; without any they go on the one for messages. */
  readonly channels?: number;
  /** Called at every change of status and after every pass. */
  readonly onChange: (figures: MigrationFigures) => void;
  /** For parameters that ask for compression. */
  readonly newCompressorPool?: () => CompressorPool;
  /** For destinations that have a checkpoint of the VM; without these it is of no use. */
  readonly newPageHasher?: () => PageHasher;
  /** To sample what compression would gain. */
  readonly loadCompressors?: () => Promise<Compressors>;
}
