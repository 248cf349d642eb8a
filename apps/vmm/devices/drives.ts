/** `-drive`: files of the host that devices of the guest store in. */
import { loadLibc } from '../libc.js';
import { DiskFile, type DiskOperation } from './disk-file.js';
import { UsageError } from '../usage-error.js';
import { parseOnlyProperties } from './properties.js';

/** An error of the host, with what QEMU tells of it. */
export interface DriveError {
  readonly drive: string;
  readonly operation: DiskOperation;
  readonly reason: string;
  readonly isOutOfSpace: boolean;
}

/** A file with what `-drive` says about it. */
export interface Drive {
  readonly id: string;
  readonly file: DiskFile;
  /** cache=writeback: what the guest has written is stored when it flushes. */
  readonly writeCache: boolean;
  /** if=virtio: it gets a device without being asked for one. */
  readonly needsDevice: boolean;
}

/** Opens a drive. Throws a UsageError that names the property and what to do. */
async function openDrive(text: string, index: number, onError: (error: DriveError) => void): Promise<Drive> {
  const properties = parseOnlyProperties('drive', text);
  const path = properties.required('file');
  properties.oneOf('format', ['raw'], 'raw');
  const kind = properties.oneOf('if', ['none', 'virtio'], 'virtio');
  const id = kind === 'none' ? properties.required('id') : (properties.optional('id') ?? `virtio${index}`);
  const isReadOnly = properties.oneOf('readonly', ['on', 'off'], 'off') === 'on';
  const cache = properties.oneOf('cache', ['writeback', 'writethrough'], 'writeback');
  const canDiscard = properties.oneOf('discard', ['ignore', 'unmap', 'off', 'on'], 'ignore');
  properties.end();
  const libc = await loadLibc();
  const options = { path, isReadOnly, canDiscard: canDiscard === 'unmap' || canDiscard === 'on', libc };
  if (options.canDiscard && !libc) throw properties.error('discard=unmap: not on this machine, which has no fallocate');
  try {
    const file = new DiskFile(options, (operation, { message, code }) =>
      onError({ drive: id, operation, reason: message, isOutOfSpace: code === 'ENOSPC' || code === 'EDQUOT' }),
    );
    return { id, file, writeCache: cache === 'writeback', needsDevice: kind === 'virtio' };
  } catch (error) {
    throw properties.error((error as Error).message);
  }
}

/** All disks of a VM: its own as long as the VM is here. */
export class Drives {
  private readonly free: Set<string>;

  constructor(readonly list: readonly Drive[]) {
    this.free = new Set(list.map(({ id }) => id));
  }

  /** The drive that a device names. Throws an Error if there is none, or another device has it. */
  take(id: string): Drive {
    const drive = this.list.find((candidate) => candidate.id === id);
    if (!drive) throw new Error(`there is no -drive with id=${id}`);
    if (!this.free.delete(id)) throw new Error(`drive ${id} has a device already`);
    return drive;
  }

  /** Makes all files this process's alone, or none; nothing if they are. Throws an Error that names the drive. */
  lock(): void {
    for (const { id, file } of this.list) {
      try {
        file.lock();
      } catch (error) {
        this.unlock();
        throw new Error(`drive ${id} (${file.options.path}): ${(error as Error).message}`, { cause: error });
      }
    }
  }

  /** Throws an Error if `lock` would now. */
  check(): void {
    this.lock();
    this.unlock();
  }

  private unlock(): void {
    for (const { file } of this.list) file.unlock();
  }

  /** Stores all that was written and lets other processes have the files. Throws a BlockError; then they stay locked. */
  async release(): Promise<void> {
    for (const { file } of this.list) await file.flush();
    this.unlock();
  }

  close(): void {
    for (const { file } of this.list) file.close();
  }
}

/** Opens every drive. Throws a UsageError that names the option; nothing stays open then. */
export async function openDrives(texts: readonly string[], onError: (error: DriveError) => void): Promise<Drives> {
  const drives: Drive[] = [];
  try {
    for (const [index, text] of texts.entries()) {
      const drive = await openDrive(text, index, onError);
      const other = drives.find(({ id }) => id === drive.id);
      drives.push(drive);
      if (other) throw new UsageError(`-drive ${text}: another drive has id=${drive.id}`);
    }
  } catch (error) {
    new Drives(drives).close();
    throw error;
  }
  return new Drives(drives);
}
