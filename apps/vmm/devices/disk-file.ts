/** A disk in a raw file of the host, as the backend of a block device. */
import { closeSync, constants, fdatasync, fstatSync, openSync, readv, writev } from 'node:fs';
import { promisify } from 'node:util';
import { BlockError, SECTOR_SIZE, type BlockBackend } from '#vmm';
import { FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, systemError, type Libc } from '../libc.js';
import { lockFile, unlockFile } from './disk-lock.js';

const sync = promisify(fdatasync);
/** Where a file system cannot write zeroes by itself, they come from here. */
const ZEROES = new Uint8Array(2 ** 20);

export type DiskOperation = 'read' | 'write' | 'flush' | 'discard';

export interface OperationFigures {
  operations: number;
  failed: number;
  bytes: number;
  timeNs: bigint;
}

export interface DiskFileOptions {
  readonly path: string;
  readonly isReadOnly: boolean;
  /** DISCARD and WRITE_ZEROES may give space back to the file system. */
  readonly canDiscard: boolean;
  /** Absent where there is none: then files are not locked. */
  readonly libc: Libc | undefined;
}

/** Called for each operation that the host could not do. */
export type OnDiskError = (operation: DiskOperation, error: NodeJS.ErrnoException) => void;

export class DiskFile implements BlockBackend {
  readonly isReadOnly: boolean;
  readonly canDiscard: boolean;
  readonly sizeBytes: number;
  readonly figures: Record<DiskOperation, OperationFigures>;
  private readonly fd: number;
  private isLocked = false;
  /** What fallocate cannot do here. */
  private readonly unsupported = new Set<number>();

  /** Opens the file, without locking it. Throws an Error that says what is wrong with it. */
  constructor(
    readonly options: DiskFileOptions,
    private readonly onError: OnDiskError,
  ) {
    this.isReadOnly = options.isReadOnly;
    this.canDiscard = options.canDiscard && !options.isReadOnly;
    this.fd = openSync(options.path, this.isReadOnly ? constants.O_RDONLY : constants.O_RDWR);
    const figures = () => ({ operations: 0, failed: 0, bytes: 0, timeNs: 0n });
    this.figures = { read: figures(), write: figures(), flush: figures(), discard: figures() };
    try {
      const stat = fstatSync(this.fd);
      if (!stat.isFile()) throw new Error('that is no file: give a raw image');
      if (stat.size === 0 || stat.size % SECTOR_SIZE !== 0) {
        throw new Error(`${stat.size} bytes are no whole number of sectors: truncate -s can make it a multiple of 512`);
      }
      this.sizeBytes = stat.size;
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
  }

  /** Bytes that the file takes on the host's file system. */
  get allocatedBytes(): number {
    return fstatSync(this.fd).blocks * 512;
  }

  /** Makes the file this process's; nothing if it is. Throws an Error if another process uses it. */
  lock(): void {
    const { libc } = this.options;
    if (libc && !this.isLocked) lockFile(libc, this.fd, this.isReadOnly);
    this.isLocked = true;
  }

  unlock(): void {
    const { libc } = this.options;
    if (libc && this.isLocked) unlockFile(libc, this.fd);
    this.isLocked = false;
  }

  close(): void {
    closeSync(this.fd); // takes the locks away too
  }

  read(views: readonly Uint8Array[], offset: number): Promise<void> {
    return this.account('read', bytesIn(views), () => this.transfer(readv, views, offset));
  }

  write(views: readonly Uint8Array[], offset: number): Promise<void> {
    return this.account('write', bytesIn(views), () => this.transfer(writev, views, offset));
  }

  flush(): Promise<void> {
    if (this.isReadOnly) return Promise.resolve();
    return this.account('flush', 0, () => sync(this.fd));
  }

  discard(offset: number, size: number): Promise<void> {
    return this.account('discard', size, async () => {
      await this.allocate(FALLOC_PUNCH_HOLE, offset, size); // a file system that cannot keeps the space: no error
    });
  }

  writeZeroes(offset: number, size: number, mayUnmap: boolean): Promise<void> {
    return this.account('write', size, async () => {
      if (mayUnmap && this.canDiscard && (await this.allocate(FALLOC_PUNCH_HOLE, offset, size))) return;
      if (await this.allocate(FALLOC_ZERO_RANGE, offset, size)) return;
      for (let at = 0; at < size; at += ZEROES.length) {
        await this.transfer(writev, [ZEROES.subarray(0, size - at)], offset + at);
      }
    });
  }

  /** Reads or writes all of it, in as many calls as the kernel wants. */
  private async transfer(call: typeof readv | typeof writev, views: readonly Uint8Array[], offset: number) {
    let left = views;
    for (let at = offset; left.length > 0;) {
      const bytes = await new Promise<number>((resolve, reject) =>
        call(this.fd, left, at, (error, count) => (error ? reject(error) : resolve(count))),
      );
      if (bytes === 0) throw systemError('EIO', `the file has become shorter than ${at} bytes`);
      left = behind(left, bytes);
      at += bytes;
    }
  }

  /** False if the file system cannot do that. */
  private async allocate(mode: number, offset: number, size: number): Promise<boolean> {
    const { libc } = this.options;
    if (!libc || size === 0 || this.unsupported.has(mode)) return size === 0;
    try {
      await libc.fallocate(this.fd, mode, offset, size);
      return true;
    } catch (error) {
      if (!['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code!)) throw error;
      this.unsupported.add(mode);
      return false;
    }
  }

  /** Counts an operation; an error of the host becomes a BlockError, all others are bugs and stay what they are. */
  private async account(operation: DiskOperation, bytes: number, action: () => Promise<void>): Promise<void> {
    const figures = this.figures[operation];
    const begin = process.hrtime.bigint();
    try {
      await action();
      figures.operations++;
      figures.bytes += bytes;
    } catch (error) {
      const reason = error as NodeJS.ErrnoException;
      if (reason.errno === undefined) throw error;
      figures.failed++;
      this.onError(operation, reason);
      throw new BlockError(reason.message, { cause: error });
    } finally {
      figures.timeNs += process.hrtime.bigint() - begin;
    }
  }
}

const bytesIn = (views: readonly Uint8Array[]): number => views.reduce((sum, { length }) => sum + length, 0);

/** What is left of the views behind their first bytes. */
function behind(views: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skip = bytes;
  const index = views.findIndex(({ length }) => {
    if (skip < length) return true;
    skip -= length;
    return false;
  });
  return index < 0 ? [] : [views[index]!.subarray(skip), ...views.slice(index + 1)];
}
