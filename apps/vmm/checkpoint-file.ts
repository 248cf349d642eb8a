/**
 * A checkpoint: the memory of a VM that has left, in a file. Whoever reads it may find anything there, so nothing rests on
 * its content (libs/migration/checkpoint.ts).
 *
 *     "DROVERCK" | u32 version | u32 pages | u64 bytes of RAM | pages x u32 page, rising     (little-endian)
 *     from the next multiple of a page on: the content of these pages
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { layout, type GuestMemory } from '#vmm';
import { behind } from './views.js';

const MAGIC = 'DROVERCK';
const VERSION = 1;
const HEADER_BYTES = 24;
const PAGE_BYTES = layout.PAGE_SIZE;
/** Runs of pages that one call writes (IOV_MAX is 1024), and pages of one run. */
const RUNS_PER_WRITE = 256;
const MOST_IN_RUN = 4096;

const contentAt = (pages: number): number => Math.ceil((HEADER_BYTES + 4 * pages) / PAGE_BYTES) * PAGE_BYTES;

/** What a file with so many pages takes. */
export const checkpointBytes = (pages: number): number =>
  pages === 0 ? HEADER_BYTES : contentAt(pages) + pages * PAGE_BYTES;

/** Writes those pages of a stopped VM; the file has its name only when it is complete. Rejects with an Error. */
export async function writeCheckpoint(path: string, memory: GuestMemory, pages: Uint32Array): Promise<void> {
  const unfinished = `${path}.new`;
  const file = await open(unfinished, 'w', 0o600);
  try {
    await writeAll(file, [headerOf(memory, pages)], 0);
    let at = contentAt(pages.length);
    const runs = runsOf(pages).map(({ first, count }) => viewOf(memory, first, count));
    for (let from = 0; from < runs.length; from += RUNS_PER_WRITE) {
      at += await writeAll(file, runs.slice(from, from + RUNS_PER_WRITE), at);
    }
    await file.close();
    await rename(unfinished, path);
  } catch (error) {
    await file.close().catch(() => undefined); // closed already
    await rm(unfinished, { force: true });
    throw error;
  }
}

/** Where the pages' content is. */
export interface CheckpointContent {
  /** Open for reading, and good in all threads. */
  readonly fd: number;
  /** Where in the file the first page's content begins; the others follow. */
  readonly contentAt: number;
}

export interface OpenCheckpoint extends CheckpointContent {
  readonly pages: Uint32Array;
}

/** Opens a checkpoint of a VM with that RAM. Throws an Error that says why it is of no use. */
export function openCheckpoint(path: string, memory: GuestMemory): OpenCheckpoint {
  const fd = openSync(path, 'r');
  try {
    const header = readAt(fd, new Uint8Array(HEADER_BYTES), 0);
    const view = new DataView(header.buffer);
    const magic = new TextDecoder('latin1').decode(header.subarray(0, MAGIC.length));
    if (magic !== MAGIC || view.getUint32(8, true) !== VERSION) throw new Error('it is no checkpoint of this version');
    const ramBytes = Number(view.getBigUint64(16, true));
    if (ramBytes !== memory.ramBytes) throw new Error(`it is of ${ramBytes} bytes of RAM, here are ${memory.ramBytes}`);
    const count = view.getUint32(12, true);
    if (count > memory.ramPages || fstatSync(fd).size !== checkpointBytes(count)) throw new Error('it is not complete');
    const pages = new Uint32Array(readAt(fd, new Uint8Array(4 * count), HEADER_BYTES).buffer);
    if (pages.some((page, index) => page >= memory.ramPages || (index > 0 && page <= pages[index - 1]!))) {
      throw new Error('its list of pages is damaged');
    }
    return { fd, pages, contentAt: contentAt(count) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Puts the content of pages into RAM, which nobody uses yet: those from place `from` of the checkpoint's list on. */
export function loadPages(memory: GuestMemory, content: CheckpointContent, from: number, pages: Uint32Array): void {
  let at = content.contentAt + from * PAGE_BYTES;
  for (const { first, count } of runsOf(pages)) {
    at += readAt(content.fd, viewOf(memory, first, count), at).length;
  }
}

/** Pages that follow each other, as far as one call goes. */
function runsOf(pages: Uint32Array): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (const page of pages) {
    const last = runs.at(-1);
    if (last && last.first + last.count === page && last.count < MOST_IN_RUN) last.count += 1;
    else runs.push({ first: page, count: 1 });
  }
  return runs;
}

function viewOf(memory: GuestMemory, first: number, count: number): Uint8Array {
  const at = layout.RAM + first * PAGE_BYTES;
  return memory.bytes.subarray(at, at + count * PAGE_BYTES);
}

function headerOf(memory: GuestMemory, pages: Uint32Array): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES + 4 * pages.length);
  const view = new DataView(header.buffer);
  header.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  view.setUint32(12, pages.length, true);
  view.setBigUint64(16, BigInt(memory.ramBytes), true);
  pages.forEach((page, index) => view.setUint32(HEADER_BYTES + 4 * index, page, true));
  return header;
}

/** Writes all of it, in as many calls as the kernel wants; returns the bytes. */
async function writeAll(file: FileHandle, views: readonly Uint8Array[], at: number): Promise<number> {
  let written = 0;
  for (let left = views; left.length > 0;) {
    const { bytesWritten } = await file.writev([...left], at + written);
    written += bytesWritten;
    left = behind(left, bytesWritten);
  }
  return written;
}

/** Fills the view. Throws an Error if the file ends before. */
function readAt(fd: number, view: Uint8Array, at: number): Uint8Array {
  for (let filled = 0; filled < view.length;) {
    const bytes = readSync(fd, view, filled, view.length - filled, at + filled);
    if (bytes === 0) throw new Error('it is not complete');
    filled += bytes;
  }
  return view;
}
