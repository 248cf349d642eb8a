/** What a block device stores its sectors in; apps/vmm fills this port with files of the host. */

/** Requests address whole sectors of so many bytes, whatever the disk's block size (virtio 1.2, section 5.2.6). */
export const SECTOR_SIZE = 512;

/** The host could not do what was asked. The backend has told its owner; the guest hears of an I/O error. */
export class BlockError extends Error {
  override readonly name = 'BlockError';
}

/** The request is to be kept, and done when the guest goes on: its owner stops the guest for that. */
export class BlockHeld extends Error {
  override readonly name = 'BlockHeld';
}

/**
 * Any number of requests may be under way at once, and end in any order. All lie within `sizeBytes`. Each rejects with a
 * BlockError if it was not done wholly, or with a BlockHeld.
 */
export interface BlockBackend {
  /** A whole number of sectors. */
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** `discard` gives space back, so it is worth a guest's while. */
  readonly canDiscard: boolean;
  /** Fills the views, one after the other, with what lies at `offset` (bytes). */
  read(views: readonly Uint8Array[], offset: number): Promise<void>;
  /** Stores what is in the views, one after the other, at `offset` (bytes). */
  write(views: readonly Uint8Array[], offset: number): Promise<void>;
  /** Resolves when all writes that have ended survive a loss of power. */
  flush(): Promise<void>;
  /** The content of `size` bytes is needed no more; what is read there from then on is anything. */
  discard(offset: number, size: number): Promise<void>;
  /** `mayUnmap`: space may be given back. */
  writeZeroes(offset: number, size: number, mayUnmap: boolean): Promise<void>;
}
