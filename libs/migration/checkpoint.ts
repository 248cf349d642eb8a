/**
 * Checkpoint-assisted return: a host that the VM has been on before has its memory as it was then. The destination puts
 * that into RAM and tells a strong hash of each page; pages of which the source finds the same hash are not sent. So a
 * checkpoint is a hint only: whatever it is, the hash of what is in RAM decides.
 *
 * The payload of HASHES, for each page with content: u32 page | HASH_BYTES of SHA-256 of the page.
 */
import { layout, type GuestMemory } from '#vmm';
import type { Codec } from './codec.js';
import type { Connection } from './connection.js';
import { asMigrationError, MigrationError } from './errors.js';
import type { PendingPages } from './pending-pages.js';
import { LIST, LIST_PAGES } from './scratch.js';

/** 128 bits: a page that differs is taken for the same with a chance of 2^-128; a guest that searched would fool itself. */
export const HASH_BYTES = 16;
const ENTRY_BYTES = 4 + HASH_BYTES;
/** Pages in one HASHES: 4 MiB of content. */
export const HASHED_PAGES = 1024;

/** The destination's side: what is here of the VM from before. */
export interface Checkpoint {
  /**
   * Puts its pages into RAM, which nobody else uses yet, and gives their hashes as payloads of HASHES. However the loop
   * over it ends, nothing writes to RAM any more then.
   */
  load(): AsyncIterable<Uint8Array>;
}

/** The source's side: threads that hash. */
export interface PageHasher {
  /** How many comparisons may be under way. */
  readonly threads: number;
  /** `samePages`, of the VM's RAM. */
  samePages(hashes: Uint8Array): Promise<Uint32Array>;
  close(): void;
}

/** SHA-256 of a page, or at least its first HASH_BYTES. */
export type PageDigest = (page: Uint8Array) => Uint8Array;

/** Numbers of the pages of a stopped VM that are not zero, in rising order. */
export function contentPages(memory: GuestMemory, codec: Codec): Uint32Array {
  const found: Uint32Array[] = [];
  for (let first = 0; first < memory.ramPages; first += LIST_PAGES) {
    const pages = Math.min(LIST_PAGES, memory.ramPages - first);
    const count = codec.listContent(layout.RAM, first, pages, LIST);
    found.push(new Uint32Array(memory.bytes.buffer, LIST, count).slice());
  }
  return Uint32Array.from(found.flatMap((pages) => [...pages]));
}

/** HASHES of these pages, as they are in RAM. */
export function hashPages(memory: GuestMemory, pages: Uint32Array, digest: PageDigest): Uint8Array {
  const hashes = new Uint8Array(pages.length * ENTRY_BYTES);
  const view = new DataView(hashes.buffer);
  pages.forEach((page, index) => {
    view.setUint32(index * ENTRY_BYTES, page, true);
    hashes.set(hashOf(memory, page, digest), index * ENTRY_BYTES + 4);
  });
  return hashes;
}

/** The pages of HASHES that have that hash in RAM, too. Throws MigrationError `malformed` if it is none. */
export function samePages(memory: GuestMemory, hashes: Uint8Array, digest: PageDigest): Uint32Array {
  if (hashes.length % ENTRY_BYTES !== 0) throw malformed(`${hashes.length} bytes`);
  const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.length);
  const same: number[] = [];
  for (let at = 0; at < hashes.length; at += ENTRY_BYTES) {
    const page = view.getUint32(at, true);
    if (page >= memory.ramPages) throw malformed(`page ${page}`);
    const hash = hashes.subarray(at + 4, at + ENTRY_BYTES);
    if (hashOf(memory, page, digest).every((byte, index) => byte === hash[index])) same.push(page);
  }
  return Uint32Array.from(same);
}

/**
 * The source hears what the destination has, and takes what is the same from the pages that are to be sent; returns how
 * many pages that saves. Whatever the guest writes meanwhile is in the dirty log, which is read afterwards.
 */
export async function sparePages(
  connection: Connection,
  hasher: PageHasher,
  pending: PendingPages,
  patienceMs: number,
): Promise<number> {
  let saved = 0;
  const underWay = new Set<Promise<void>>();
  try {
    for (;;) {
      const hashes = await connection.expect('HASHES', patienceMs);
      if (hashes.length === 0) break;
      const done = hasher
        .samePages(hashes)
        .then((pages) => void (saved += pending.spare(pages)))
        .catch((error: unknown) => connection.fail(asMigrationError(error, 'machine')))
        .finally(() => underWay.delete(done));
      underWay.add(done);
      if (underWay.size >= hasher.threads) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    connection.signal.throwIfAborted();
  } finally {
    hasher.close();
  }
  return saved;
}

function hashOf(memory: GuestMemory, page: number, digest: PageDigest): Uint8Array {
  const at = layout.RAM + page * layout.PAGE_SIZE;
  return digest(memory.bytes.subarray(at, at + layout.PAGE_SIZE)).subarray(0, HASH_BYTES);
}

const malformed = (what: string) => new MigrationError('malformed', `HASHES of ${what}: there is no such thing`);
