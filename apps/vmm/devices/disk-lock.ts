/**
 * Who may use a disk's file at the same time, by the locks that QEMU sets (block/file-posix.c), so that QEMU and this VMM
 * keep each other out as well. For each permission there are two bytes of the file: a read lock on the first says "I use
 * it", one on the second "nobody else may".
 */
import { F_RDLCK, F_UNLCK, F_WRLCK, type Libc } from '../libc.js';

const USES = 100;
const FORBIDS = 200;
const CONSISTENT_READ = 0;
const WRITE = 1;
const PERMISSIONS = 64;

/** Locks the file or throws an Error; a file that one process writes belongs to that one alone. */
export function lockFile(libc: Libc, fd: number, isReadOnly: boolean): void {
  const used = isReadOnly ? [CONSISTENT_READ] : [CONSISTENT_READ, WRITE];
  const mine = [...used.map((permission) => USES + permission), FORBIDS + WRITE];
  // As in QEMU: first show the own locks, then look at the others'. Of two that come at once, both may have to give up.
  const isShown = mine.every((byte) => libc.setLock(fd, F_RDLCK, byte, 1));
  const conflicts = [...used.map((permission) => FORBIDS + permission), USES + WRITE];
  if (isShown && !conflicts.some((byte) => libc.isForbidden(fd, F_WRLCK, byte, 1))) return;
  unlockFile(libc, fd);
  throw new Error('another process uses it: stop that one first, or give each a file of its own');
}

export function unlockFile(libc: Libc, fd: number): void {
  libc.setLock(fd, F_UNLCK, USES, PERMISSIONS);
  libc.setLock(fd, F_UNLCK, FORBIDS, PERMISSIONS);
}
