import { bitmapWords, layout, syncDirtyLog } from '#vmm';
import type { GuestMemory } from '#vmm';
import type { Codec } from './codec.js';
import { MigrationError } from './errors.js';
import { BATCH_HEADER_BYTES, BATCH_PAGES } from './protocol.js';
import { LIST, PENDING } from './scratch.js';

/** The pages that the destination does not have as they are: filled from the dirty log, emptied batch by batch. */
export class PendingPages {
  /** Pages that are still to be sent. */
  count: number;
  private readonly bitmap: Uint32Array;
  private readonly list: Uint32Array;
  private readonly words: number;
  private word = 0;

  constructor(
    private readonly memory: GuestMemory,
    private readonly codec: Codec,
  ) {
    const { buffer } = memory.memory;
    this.count = memory.ramPages;
    this.words = Math.ceil(memory.ramPages / 64);
    this.bitmap = new Uint32Array(buffer, PENDING, 2 * this.words);
    this.list = new Uint32Array(buffer, LIST, BATCH_PAGES);
  }

  /** One bit a page: still to be sent. */
  get bits(): Uint32Array {
    return this.bitmap.subarray(0, bitmapWords(this.memory));
  }

  /** Everything is to be sent; what was written before now is no news any more. */
  markAll(): void {
    syncDirtyLog(this.memory, this.bitmap);
    this.bitmap.fill(0).fill(0xffff_ffff, 0, bitmapWords(this.memory)); // RAM is whole MiB: no word is used in part
    this.rewind();
  }

  /** Adds what was written since the last time; pages may be read from now on. */
  addDirty(): void {
    syncDirtyLog(this.memory, this.bitmap);
    this.rewind();
  }

  /** Exactly these pages are to be sent (a bitmap as in DISCARD). */
  replace(pages: Uint8Array): void {
    const bytes = new Uint8Array(this.bitmap.buffer, PENDING, 8 * this.words);
    bytes.fill(0);
    bytes.set(pages.subarray(0, this.bitmapBytes));
    this.rewind();
  }

  /** The destination has these pages as they are; returns how many of them were still to be sent. */
  spare(pages: Uint32Array): number {
    const before = this.count;
    for (const page of pages) {
      const bit = 1 << (page & 31);
      if ((this.bitmap[page >>> 5]! & bit) !== 0) this.count -= 1;
      this.bitmap[page >>> 5]! &= ~bit;
    }
    return before - this.count;
  }

  /** The pages that are still to be sent, as in DISCARD. */
  read(): Uint8Array {
    return new Uint8Array(this.bitmap.buffer, PENDING, this.bitmapBytes).slice();
  }

  /**
   * Takes one page for `pack`, whether it was still to be sent or is on its way already; `takeBatch` goes on behind it.
   * Throws MigrationError `malformed` if there is no such page.
   */
  takePage(page: number): void {
    if (page >= this.memory.ramPages)
      throw new MigrationError('malformed', `page ${page} was asked for: there is none`);
    const bit = 1 << (page & 31);
    if ((this.bitmap[page >>> 5]! & bit) !== 0) this.count -= 1;
    this.bitmap[page >>> 5]! &= ~bit;
    this.list[0] = page;
    this.word = page >>> 6;
  }

  /** Takes those of the `most` pages behind `page` that are still to be sent; returns how many. */
  takeBehind(page: number, most: number): number {
    let taken = 0;
    for (let next = page + 1; next <= page + most && next < this.memory.ramPages; next++) {
      const bit = 1 << (next & 31);
      if ((this.bitmap[next >>> 5]! & bit) === 0) continue;
      this.bitmap[next >>> 5]! &= ~bit;
      this.list[taken++] = next;
    }
    this.count -= taken;
    return taken;
  }

  /** As takeBatch, but begins anew at the first page when there is none behind the last one. */
  takeBatchAround(most: number): number {
    const count = this.takeBatch(most);
    if (count > 0 || this.count === 0) return count;
    this.word = 0;
    return this.takeBatch(most);
  }

  /** Takes the next pages, in rising order, for `pack`; returns how many, 0 when none is left. */
  takeBatch(most = BATCH_PAGES): number {
    const count = this.codec.takeBits(PENDING, this.words, this.word, LIST, most);
    if (count > 0) this.word = this.list[count - 1]! >>> 6;
    this.count -= count;
    return count;
  }

  /** Writes the `count` pages that were taken to `payload`, as they are now. */
  pack(count: number, iteration: number, payload: number): { bytes: number; zeroPages: number } {
    const bytes = this.codec.packPages(layout.RAM, LIST, count, iteration, payload);
    const fullPages = (bytes - BATCH_HEADER_BYTES - 4 * count) / layout.PAGE_SIZE;
    return { bytes, zeroPages: count - fullPages };
  }

  private get bitmapBytes(): number {
    return this.memory.ramPages / 8; // RAM is whole MiB
  }

  private rewind(): void {
    this.count = this.codec.countBits(PENDING, this.words);
    this.word = 0;
  }
}
