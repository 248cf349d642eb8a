/** What a server serves; whoever has disks fills this port. */
import type { Extent } from './wire.js';

/**
 * Any number of operations may be under way at once. All lie within `sizeBytes`. Each rejects with an NbdError if it was
 * not done wholly; anything else that is thrown is answered with EIO.
 */
export interface NbdExport {
  readonly name: string;
  readonly description?: string;
  /** False: whoever does not know its name does not learn it from this server. */
  readonly isListed: boolean;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** Fills the buffer with what lies at `offset`. */
  read(offset: number, into: Uint8Array): Promise<void>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when all writes that have ended survive a loss of power. */
  flush(): Promise<void>;
  /** The range is needed no more. */
  trim(offset: number, size: number): Promise<void>;
  writeZeroes(offset: number, size: number, mayUnmap: boolean): Promise<void>;
  /** How the range is stored, from its beginning on, as far as is convenient: at least one extent, none empty. */
  extents(offset: number, size: number): Promise<readonly Extent[]>;
}

/** The exports of a server as they are now; a client whose export is not among them any more is sent away. */
export interface NbdExports {
  find(name: string): NbdExport | undefined;
  list(): readonly NbdExport[];
}
