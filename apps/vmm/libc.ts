/** Calls of the C library that Node.js does not offer, through koffi. Linux on 64 bits only. */
import { constants } from 'node:os';

/** How fallocate(2) changes a range; the file keeps its size. */
export const FALLOC_PUNCH_HOLE = 0x03;
export const FALLOC_ZERO_RANGE = 0x11;

// lseek(2): the next place with data, or without.
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

// fcntl(2), open file description locks.
export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;

/** Offsets in struct flock: l_type, l_whence (0: from the file's beginning), l_start, l_len. */
const FLOCK_SIZE = 32;
const L_START = 8;
const L_LEN = 16;

export interface Libc {
  /** Changes a range of a file in a thread of the background. Rejects with an Error that has the code of errno. */
  fallocate(fd: number, mode: number, offset: number, size: number): Promise<void>;
  /** The next place from `offset` on with data (SEEK_DATA) or without; Infinity if there is none before the end. */
  seek(fd: number, offset: number, whence: number): number;
  /** Sets a lock on a range, or takes it away; false if another open file has one that forbids it. */
  setLock(fd: number, type: number, start: number, length: number): boolean;
  /** True if another open file has a lock that would forbid this one. */
  isForbidden(fd: number, type: number, start: number, length: number): boolean;
}

type Callback = (error: Error | null, result: number) => void;

/** Resolves to undefined where this machine has no such library. */
export async function loadLibc(): Promise<Libc | undefined> {
  if (process.platform !== 'linux' || !['x64', 'arm64', 'riscv64', 'ppc64', 's390x'].includes(process.arch)) {
    return undefined;
  }
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  const fallocate = library.func('int fallocate(int, int, int64_t, int64_t)');
  const lseek = library.func('int64_t lseek(int, int64_t, int)');
  const fcntl = library.func('int fcntl(int, int, ...)');

  const lockCall = (fd: number, command: number, type: number, start: number, length: number): number => {
    const flock = new DataView(new ArrayBuffer(FLOCK_SIZE));
    flock.setInt16(0, type, true);
    flock.setBigInt64(L_START, BigInt(start), true);
    flock.setBigInt64(L_LEN, BigInt(length), true);
    const result = fcntl(fd, command, 'void *', new Uint8Array(flock.buffer)) as number;
    if (result < 0) throw systemError(nameOf(koffi.errno()), 'fcntl');
    return flock.getInt16(0, true);
  };

  return {
    fallocate: (fd, mode, offset, size) =>
      new Promise((resolve, reject) => {
        const done: Callback = (error, result) => {
          if (error) reject(error);
          else if (result < 0) reject(systemError(nameOf(koffi.errno()), 'fallocate'));
          else resolve();
        };
        fallocate.async(fd, mode, BigInt(offset), BigInt(size), done);
      }),
    seek: (fd, offset, whence) => {
      const place = Number(lseek(fd, BigInt(offset), whence));
      if (place >= 0) return place;
      const code = nameOf(koffi.errno());
      if (code === 'ENXIO') return Infinity;
      if (code === 'EINVAL') return whence === SEEK_DATA ? offset : Infinity; // a file system without holes
      throw systemError(code, 'lseek');
    },
    setLock: (fd, type, start, length) => {
      try {
        lockCall(fd, F_OFD_SETLK, type, start, length);
        return true;
      } catch (error) {
        if (['EAGAIN', 'EACCES'].includes((error as NodeJS.ErrnoException).code!)) return false;
        throw error;
      }
    },
    isForbidden: (fd, type, start, length) => lockCall(fd, F_OFD_GETLK, type, start, length) !== F_UNLCK,
  };
}

const nameOf = (errno: number): string =>
  Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;

/** An error as Node.js itself throws it for a system call. */
export function systemError(code: string, message: string): NodeJS.ErrnoException {
  const errno = -(constants.errno as Readonly<Record<string, number>>)[code]!;
  return Object.assign(new Error(`${code}: ${message}`), { code, errno });
}
