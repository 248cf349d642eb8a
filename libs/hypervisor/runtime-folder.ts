/** Where sockets go: their paths are short, and nobody else gets at them. */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** sockaddr_un.sun_path holds 108 bytes, the last of them zero (unix(7)). */
export const MAX_SOCKET_PATH_BYTES = 107;

/** Throws if a socket cannot have this path. */
export function checkSocketPath(path: string): string {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES)
    throw new Error(
      `the socket path ${path} has ${bytes} bytes, more than ${MAX_SOCKET_PATH_BYTES}; use a shorter folder`,
    );
  return path;
}

/**
 * A folder for the sockets of all VMs of an agent: DIR/run, or one in the system's folder for temporary files when that
 * is too long for a socket `longestName` below it. Throws if somebody else owns what is there.
 */
export function runtimeFolderFor(dir: string, longestName: string): string {
  const own = join(dir, 'run');
  const isShort = Buffer.byteLength(join(own, longestName)) <= MAX_SOCKET_PATH_BYTES;
  const hash = createHash('sha256').update(dir).digest('hex').slice(0, 12);
  const folder = isShort ? own : join(tmpdir(), `drover-${userInfo().uid}-${hash}`);
  checkSocketPath(join(folder, longestName));
  makePrivate(folder);
  return folder;
}

/** Creates a folder that its owner alone may enter; throws if it is there and is not that. */
export function makePrivate(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== userInfo().uid || (stat.mode & 0o077) !== 0)
    throw new Error(`${folder} is not a folder that is yours alone; remove it, or make it so (chmod 700)`);
}

/** Creates a VM's folder below one that is private already; that of a VM with a user of its own belongs to that user. */
export function makeVmFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if ((lstatSync(folder).mode & 0o077) !== 0)
    throw new Error(`${folder} is open to others; remove it, or close it (chmod 700)`);
}
