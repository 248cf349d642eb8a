/**
 * The dirty log: which pages were written since somebody last asked. Writers set bits in DIRTY (a hart when it first
 * writes through a write-TLB entry, a device after each write). A sync takes the bits out and then has every hart forget
 * its write TLB, so that the next write to each page is logged again; only after that may the pages be read.
 *
 * Two parties ask: a migration, which must see every page, and the statistics, which only count. What was taken out to
 * be counted is kept in COUNTED until the migration's next sync, so neither takes anything from the other.
 */
import { demandAttention } from './attention.js';
import { ATTENTION_FLUSH_WRITES, COUNTED, DIRTY, MACHINE, M_DIRTIED_PAGES, M_DIRTY_LOCK } from './layout.js';
import type { GuestMemory } from './memory.js';
import { add64, compareExchange32, exchange32, load32, loadI64, notify, or32, store32, wait } from './shared.js';

/** 32-bit words of a bitmap with one bit for each page of the VM's RAM; bit `page & 31` of word `page >>> 5`. */
export const bitmapWords = (memory: GuestMemory): number => Math.ceil(memory.ramPages / 32);

/**
 * Adds the pages written since the last sync to `pages` (bitmapWords words; never cleared here) and returns how many of
 * them were not in it. Works from any thread that may block (not from a browser's main thread). Once it has returned,
 * a page read is at least as new as every write that it reported; later writes are in the next sync.
 */
export function syncDirtyLog(memory: GuestMemory, pages: Uint32Array): number {
  const words = bitmapWords(memory);
  if (pages.length < words) throw new RangeError(`bitmap of ${pages.length} words: this VM's RAM needs ${words}`);
  let added = 0;
  const add = (word: number, bits: number) => {
    const before = pages[word]!;
    pages[word] = before | bits;
    added += popcount(bits & ~before);
  };
  while (!compareExchange32(memory, MACHINE + M_DIRTY_LOCK, 0, 1)) wait(memory, MACHINE + M_DIRTY_LOCK, 1, 10);
  try {
    takeDirtyWords(memory, add);
    takeWords(memory, COUNTED, add);
  } finally {
    unlock(memory);
  }
  flushWriteTlbs(memory);
  return added;
}

/**
 * Counts the pages written since the last sync of either kind, keeps them for the next syncDirtyLog, and returns
 * M_DIRTIED_PAGES: the sum over all syncs, whoever made them, since the VMM started. While another sync is under way it
 * leaves the counting to that one, so it never waits for another thread's lock.
 */
export function countDirtiedPages(memory: GuestMemory): bigint {
  if (compareExchange32(memory, MACHINE + M_DIRTY_LOCK, 0, 1)) {
    try {
      takeDirtyWords(memory, (word, bits) => or32(memory, COUNTED + word * 4, bits));
    } finally {
      unlock(memory);
    }
    flushWriteTlbs(memory);
  }
  return loadI64(memory, MACHINE + M_DIRTIED_PAGES);
}

function unlock(memory: GuestMemory): void {
  store32(memory, MACHINE + M_DIRTY_LOCK, 0);
  notify(memory, MACHINE + M_DIRTY_LOCK);
}

function takeDirtyWords(memory: GuestMemory, take: (word: number, bits: number) => void): void {
  let dirtied = 0;
  takeWords(memory, DIRTY, (word, bits) => {
    dirtied += popcount(bits);
    take(word, bits);
  });
  add64(memory, MACHINE + M_DIRTIED_PAGES, BigInt(dirtied));
}

/** Swaps out every word of a bitmap that is not zero. */
function takeWords(memory: GuestMemory, bitmap: number, take: (word: number, bits: number) => void): void {
  for (let word = 0; word < bitmapWords(memory); word++) {
    const at = bitmap + word * 4;
    if (load32(memory, at) === 0) continue; // most words, and a load is cheaper than an exchange
    take(word, exchange32(memory, at, 0));
  }
}

function flushWriteTlbs(memory: GuestMemory): void {
  const harts = Array.from({ length: memory.harts }, (_, hart) => hart);
  demandAttention(memory, harts, ATTENTION_FLUSH_WRITES);
}

/** Number of ones in 32 bits (Warren, Hacker's Delight, chapter 5). */
function popcount(bits: number): number {
  const pairs = bits - ((bits >>> 1) & 0x5555_5555);
  const fours = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
