/** A disk in a raw file of the host. */
import { closeSync, constants, fdatasync, fstatSync, openSync, readv, writev } from 'node:fs';
import { promisify } from 'node:util';
import type { Extent } from '#nbd';
import { SECTOR_SIZE } from '#vmm';
import { FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, SEEK_DATA, SEEK_HOLE, systemError, type Libc } from '../libc.js';
import { behind } from '../views.js';
import { lockFile, unlockFile } from './disk-lock.js';

const sync = promisify(fdatasync);
/** Where a file system cannot write zeroes by itself, they come from here. */
const ZEROES = new Uint8Array(2 ** 20);
/** So many are told at once. */
const MAX_EXTENTS = 1024;

export interface DiskFileOptions {
  readonly path: string;
  readonly isReadOnly: boolean;
  /** DISCARD and WRITE_ZEROES may give space back to the file system. */
  readonly canDiscard: boolean;
  /** Absent where there is none: then files are not locked. */
  readonly libc: Libc | undefined;
}

/** All operations reject with the host's error, which has `code` and `errno`; any number may be under way at once. */
export class DiskFile {
  readonly isReadOnly: boolean;
  readonly canDiscard: boolean;
  readonly sizeBytes: number;
  private readonly fd: number;
  private isLocked = false;
  /** What fallocate cannot do here. */
  private readonly unsupported = new Set<number>();

  /** Opens the file, without locking it. Throws an Error that says what is wrong with it. */
  constructor(readonly options: DiskFileOptions) {
    this.isReadOnly = options.isReadOnly;
    this.canDiscard = options.canDiscard && !options.isReadOnly;
    this.fd = openSync(options.path, this.isReadOnly ? constants.O_RDONLY : constants.O_RDWR);
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

  /** Makes the file this process's; false if it is already. Throws an Error if another process uses it. */
  lock(): boolean {
    const { libc } = this.options;
    if (this.isLocked) return false;
    if (libc) lockFile(libc, this.fd, this.isReadOnly);
    this.isLocked = true;
    return true;
  }

  unlock(): void {
    const { libc } = this.options;
    if (libc && this.isLocked) unlockFile(libc, this.fd);
    this.isLocked = false;
  }

  close(): void {
    closeSync(this.fd); // takes the locks away too
  }

  /** Fills the views, one after the other, with what lies at `offset` (bytes). */
  read(views: readonly Uint8Array[], offset: number): Promise<void> {
    return this.transfer(readv, views, offset);
  }

  write(views: readonly Uint8Array[], offset: number): Promise<void> {
    return this.transfer(writev, views, offset);
  }

  /** Resolves when all writes that have ended survive a loss of power. */
  async flush(): Promise<void> {
    if (!this.isReadOnly) await sync(this.fd);
  }

  /** Gives the space back; a file system that cannot keeps it. */
  async discard(offset: number, size: number): Promise<void> {
    await this.allocate(FALLOC_PUNCH_HOLE, offset, size);
  }

  async writeZeroes(offset: number, size: number, mayUnmap: boolean): Promise<void> {
    if (mayUnmap && this.canDiscard && (await this.allocate(FALLOC_PUNCH_HOLE, offset, size))) return;
    if (await this.allocate(FALLOC_ZERO_RANGE, offset, size)) return;
    for (let at = 0; at < size; at += ZEROES.length) {
      await this.transfer(writev, [ZEROES.subarray(0, size - at)], offset + at);
    }
  }

  /** How a range is stored, as far as the file system tells (lseek(2), SEEK_DATA); holes read as zeroes. */
  extents(offset: number, size: number): Extent[] {
    const { libc } = this.options;
    const extents: Extent[] = [];
    const end = offset + size;
    for (let at = offset; at < end && extents.length < MAX_EXTENTS;) {
      const dataAt = Math.min(libc?.seek(this.fd, at, SEEK_DATA) ?? at, end);
      const holeAt = Math.min(libc?.seek(this.fd, dataAt, SEEK_HOLE) ?? end, end);
      if (dataAt > at) extents.push({ sizeBytes: dataAt - at, isHole: true, isZero: true });
      if (holeAt > dataAt) extents.push({ sizeBytes: holeAt - dataAt, isHole: false, isZero: false });
      at = Math.max(holeAt, dataAt);
    }
    return extents;
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
}
