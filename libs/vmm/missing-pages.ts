/**
 * Pages of RAM whose content is still to come, while a guest runs in post-copy. Who receives pages marks what is missing
 * before anything runs (`dropPages`). A hart that needs such a page notes it in H_MISSING, rings M_MISSES and sleeps on
 * H_WAKE. Who receives stores the content first, then clears the bit in MISSING, and only then looks who waits
 * (`pagesArrived`): so a page whose bit is clear is there, and nobody sleeps through the arrival. Devices wait in the main
 * thread (PageWaiter).
 */
import {
  H_ASKED,
  H_FETCH_LATENCIES,
  H_LATENCIES,
  H_MISSES,
  H_MISSING,
  H_BLOCKED_NS,
  MACHINE,
  MISSING,
  M_ARRIVALS,
  M_MISSES,
  M_MISSING_PAGES,
} from './layout.js';
import { bitmapWords } from './dirty-log.js';
import type { GuestMemory } from './memory.js';
import { add32, add64, hartBlock, load32, loadI64, notify, store32, wakeHart } from './shared.js';

/** Of the latencies of pages: bucket n is for 2^(n/4) us and more, the last one for all that is longer. */
const LATENCY_BUCKETS = 96;
const BUCKETS_PER_OCTAVE = 4;

/** Marks the pages of a bitmap (bitmapWords words), and no others, as missing; nothing may run meanwhile. Returns how many. */
export function dropPages(memory: GuestMemory, missing: Uint32Array): number {
  let pages = 0;
  for (let word = 0; word < bitmapWords(memory); word++) {
    store32(memory, MISSING + word * 4, missing[word]!);
    for (let bits = missing[word]!; bits !== 0; bits &= bits - 1) pages++;
  }
  store32(memory, MACHINE + M_MISSING_PAGES, pages);
  return pages;
}

/** A copy of the bitmap of missing pages. */
export function readMissing(memory: GuestMemory): Uint32Array {
  const words = bitmapWords(memory);
  return Uint32Array.from({ length: words }, (_, word) => load32(memory, MISSING + word * 4));
}

/** How many pages are missing. */
export const countMissing = (memory: GuestMemory): number => load32(memory, MACHINE + M_MISSING_PAGES);

/** Wakes whoever waits for one of the pages that have come; `pages` bits of MISSING have been cleared. */
export function pagesArrived(memory: GuestMemory, pages: number): void {
  add32(memory, MACHINE + M_MISSING_PAGES, -pages);
  for (const { hart, page } of awaitedByHarts(memory)) if (!memory.isMissing(page)) wakeHart(memory, hart);
  add32(memory, MACHINE + M_ARRIVALS, 1);
  notify(memory, MACHINE + M_ARRIVALS);
}

/** Which harts wait for which pages. */
export function awaitedByHarts(memory: GuestMemory): { readonly hart: number; readonly page: number }[] {
  const awaited: { hart: number; page: number }[] = [];
  for (let hart = 0; hart < memory.harts; hart++) {
    const page = load32(memory, hartBlock(hart) + H_MISSING) - 1;
    if (page >= 0) awaited.push({ hart, page });
  }
  return awaited;
}

/** The number of times that harts have begun to wait; `changeOf` waits for the next. */
export const countMisses = (memory: GuestMemory): number => load32(memory, MACHINE + M_MISSES);

/** Resolves when M_MISSES is not `seen` any more, or somebody rings it. */
export const nextMiss = (memory: GuestMemory, seen: number): Promise<unknown> =>
  changeOf(memory, MACHINE + M_MISSES, seen);

/** Ends what waits in `nextMiss`. */
export const ringMisses = (memory: GuestMemory): number => notify(memory, MACHINE + M_MISSES);

async function changeOf(memory: GuestMemory, at: number, seen: number): Promise<void> {
  const change = Atomics.waitAsync(memory.words, at / 4, seen);
  if (change.async) await change.value;
}

/** The hart's thread begins to wait. */
export function noteMiss(memory: GuestMemory, hart: number): void {
  add32(memory, hartBlock(hart) + H_MISSES, 1);
  add32(memory, MACHINE + M_MISSES, 1);
  notify(memory, MACHINE + M_MISSES);
}

/** This page is about to be asked for, since that hart waits for it. */
export const noteAsked = (memory: GuestMemory, hart: number, page: number): void =>
  store32(memory, hartBlock(hart) + H_ASKED, page + 1);

/** The hart's thread goes on, having waited that long. */
export function noteArrival(memory: GuestMemory, hart: number, waitedNs: bigint): void {
  const block = hartBlock(hart);
  const isFetched = load32(memory, block + H_ASKED) === load32(memory, block + H_MISSING);
  store32(memory, block + H_MISSING, 0);
  add64(memory, block + H_BLOCKED_NS, waitedNs);
  const octaves = Math.log2(Math.max(1, Number(waitedNs) / 1000));
  const bucket = Math.min(LATENCY_BUCKETS - 1, Math.floor(octaves * BUCKETS_PER_OCTAVE));
  add32(memory, block + H_LATENCIES + bucket * 4, 1);
  if (!isFetched) return;
  store32(memory, block + H_ASKED, 0);
  add32(memory, block + H_FETCH_LATENCIES + bucket * 4, 1);
}

/** What a hart has waited for missing pages since the VMM started. */
export interface HartBlocking {
  readonly misses: number;
  readonly blockedNs: number;
}

export function blockingOf(memory: GuestMemory, hart: number): HartBlocking {
  const block = hartBlock(hart);
  return { misses: load32(memory, block + H_MISSES), blockedNs: Number(loadI64(memory, block + H_BLOCKED_NS)) };
}

export interface MissLatencies {
  /** How often 2^n us and more. */
  readonly octaves: number[];
  /** null: there was none. */
  readonly medianUs: number | null;
}

/** How long all harts have waited for pages: for all of them, or for those alone that had to be fetched. */
export function missLatencies(memory: GuestMemory, which: 'all' | 'fetched'): MissLatencies {
  const first = which === 'all' ? H_LATENCIES : H_FETCH_LATENCIES;
  const buckets = Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => {
    let count = 0;
    for (let hart = 0; hart < memory.harts; hart++) count += load32(memory, hartBlock(hart) + first + bucket * 4);
    return count;
  });
  const octaves: number[] = [];
  buckets.forEach((count, bucket) => {
    const octave = Math.floor(bucket / BUCKETS_PER_OCTAVE);
    octaves[octave] = (octaves[octave] ?? 0) + count;
  });
  const half = buckets.reduce((sum, count) => sum + count, 0) / 2;
  if (half === 0) return { octaves, medianUs: null };
  let below = 0;
  const median = buckets.findIndex((count) => (below += count) >= half);
  return { octaves, medianUs: 2 ** ((median + 0.5) / BUCKETS_PER_OCTAVE) };
}

/** For devices, in the main thread: waits until pages have come, without holding up anything else. */
export class PageWaiter {
  /** Asks for pages; set by whoever receives them. */
  request: (pages: readonly number[]) => void = () => undefined;
  private readonly waiting = new Set<{ readonly pages: readonly number[]; readonly goOn: () => void }>();
  private isWatching = false;

  constructor(private readonly memory: GuestMemory) {}

  /** Resolves when none of the pages is missing any more. */
  arrival(pages: readonly number[]): Promise<void> {
    this.request(pages);
    return new Promise((goOn) => {
      this.waiting.add({ pages, goOn });
      void this.watch();
    });
  }

  /** Resolves when nothing is missing. */
  async completion(): Promise<void> {
    while (!this.memory.isComplete) {
      await changeOf(this.memory, MACHINE + M_ARRIVALS, load32(this.memory, MACHINE + M_ARRIVALS));
    }
  }

  private async watch(): Promise<void> {
    if (this.isWatching) return;
    this.isWatching = true;
    while (this.waiting.size > 0) {
      const seen = load32(this.memory, MACHINE + M_ARRIVALS);
      for (const waiter of this.waiting) {
        if (waiter.pages.some((page) => this.memory.isMissing(page))) continue;
        this.waiting.delete(waiter);
        waiter.goOn();
      }
      if (this.waiting.size > 0) await changeOf(this.memory, MACHINE + M_ARRIVALS, seen);
    }
    this.isWatching = false;
  }
}
