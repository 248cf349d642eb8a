/** `-drive`: files of the host that devices of the guest store in. */
import { loadLibc } from '../libc.js';
import { DiskFile } from './disk-file.js';
import { GuestDisk, isOutOfSpace, type DiskOperation, type ErrorAction } from './guest-disk.js';
import { UsageError } from '../usage-error.js';
import { parseOnlyProperties } from './properties.js';

/** An error of the host, with what QEMU tells of it. */
export interface DriveError {
  readonly drive: string;
  readonly operation: DiskOperation;
  readonly reason: string;
  readonly isOutOfSpace: boolean;
  readonly action: ErrorAction;
}

/** A file with what `-drive` says about it. */
export interface Drive {
  readonly id: string;
  readonly disk: GuestDisk;
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
  const policy = {
    write: properties.oneOf('werror', ['enospc', 'report', 'ignore', 'stop'], 'enospc'),
    read: properties.oneOf('rerror', ['report', 'ignore', 'stop'], 'report'),
  };
  properties.end();
  const libc = await loadLibc();
  const options = { path, isReadOnly, canDiscard: canDiscard === 'unmap' || canDiscard === 'on', libc };
  if (options.canDiscard && !libc) throw properties.error('discard=unmap: not on this machine, which has no fallocate');
  try {
    const tell = (operation: DiskOperation, error: NodeJS.ErrnoException, action: ErrorAction) =>
      onError({ drive: id, operation, reason: error.message, isOutOfSpace: isOutOfSpace(error), action });
    const disk = new GuestDisk(new DiskFile(options), tell, policy);
    return { id, disk, writeCache: cache === 'writeback', needsDevice: kind === 'virtio' };
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

  find(id: string): Drive | undefined {
    return this.list.find((drive) => drive.id === id);
  }

  /** The drive that a device names. Throws an Error if there is none, or another device has it. */
  take(id: string): Drive {
    const drive = this.find(id);
    if (!drive) throw new Error(`there is no -drive with id=${id}`);
    if (!this.free.delete(id)) throw new Error(`drive ${id} has a device already`);
    return drive;
  }

  /** Makes all files this process's alone, or none; nothing if they are. Throws an Error that names the drive. */
  lock(): void {
    this.lockOthers();
  }

  /** Throws an Error if `lock` would now; files that are locked stay so. */
  check(): void {
    for (const file of this.lockOthers()) file.unlock();
  }

  /** Locks what is not locked; returns that. */
  private lockOthers(): DiskFile[] {
    const locked: DiskFile[] = [];
    for (const { id, disk } of this.list) {
      const { file } = disk;
      try {
        if (file.lock()) locked.push(file);
      } catch (error) {
        for (const each of locked) each.unlock();
        throw new Error(`drive ${id} (${file.options.path}): ${(error as Error).message}`, { cause: error });
      }
    }
    return locked;
  }

  /** Stores all that was written and lets other processes have the files. Throws a BlockError; then they stay locked. */
  async release(): Promise<void> {
    for (const { disk } of this.list) await disk.flush();
    for (const { disk } of this.list) disk.file.unlock();
  }

  close(): void {
    for (const { disk } of this.list) disk.file.close();
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
