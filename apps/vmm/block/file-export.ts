/** A disk's file as an export of the NBD server. */
import { NbdError, type NbdErrno, type NbdExport } from '#nbd';
import type { DiskFile } from '../devices/disk-file.js';

/** What of the host's errors has a number of its own in NBD. */
const ERRNO: Readonly<Record<string, NbdErrno>> = {
  ENOSPC: 'ENOSPC',
  EDQUOT: 'ENOSPC',
  EPERM: 'EPERM',
  ENOMEM: 'ENOMEM',
};

export interface ExportOptions {
  readonly name: string;
  readonly description?: string;
  readonly isListed: boolean;
  readonly isWritable: boolean;
}

export function fileExport(file: DiskFile, { isWritable, ...options }: ExportOptions): NbdExport {
  return {
    ...options,
    sizeBytes: file.sizeBytes,
    isReadOnly: !isWritable,
    read: (offset, into) => told(() => file.read([into], offset)),
    write: (offset, bytes) => told(() => file.write([bytes], offset)),
    flush: () => told(() => file.flush()),
    trim: (offset, size) => told(() => file.discard(offset, size)),
    writeZeroes: (offset, size, mayUnmap) => told(() => file.writeZeroes(offset, size, mayUnmap)),
    extents: (offset, size) => told(async () => file.extents(offset, size)),
  };
}

/** An error of the host becomes one that the client is told; all others are bugs and stay what they are. */
async function told<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const { code, errno, message } = error as NodeJS.ErrnoException;
    if (errno === undefined) throw error;
    throw new NbdError(ERRNO[code ?? ''] ?? 'EIO', message, { cause: error });
  }
}
