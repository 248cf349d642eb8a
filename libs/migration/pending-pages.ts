import { BITMAP_SIZE, DIRTY, PAGE_SIZE, RAM } from '#vmm';
import type { Codec } from './codec.js';
import type { SourceMachine } from './ports.js';
import { BATCH_PAGES } from './protocol.js';
import { LIST, PENDING } from './scratch.js';

/** The pages that the destination does not have as they are: filled from the dirty log, emptied batch by batch. */
export class PendingPages {
  readonly total: number;
  /** Pages that are still to be sent. */
  count = 0;
  private readonly words: number;
  private readonly list: Uint32Array;
  private word = 0;

  constructor(
    private readonly machine: SourceMachine,
    private readonly codec: Codec,
  ) {
    this.total = machine.description.ramBytes / PAGE_SIZE;
    this.words = Math.ceil(this.total / 64);
    this.list = new Uint32Array(machine.memory.buffer, LIST, BATCH_PAGES);
  }

  /** Everything is to be sent; what was written before is no news any more. */
  async markAll(): Promise<void> {
    await this.readDirtyLog();
    const bitmap = new Uint8Array(this.machine.memory.buffer, PENDING, BITMAP_SIZE).fill(0);
    bitmap.fill(0xff, 0, this.total >> 3);
    if (this.total & 7) bitmap[this.total >> 3] = (1 << (this.total & 7)) - 1;
    this.count = this.total;
  }

  /**
   * Adds what the guest has written since the last time. The order matters: first the log is swapped, then every hart
   * forgets which pages it may write unlogged, and only then may pages be read. A write before the hart forgot is in
   * the page when it is read; a later one is in the next log.
   */
  async readDirtyLog(): Promise<void> {
    this.moveDirtyLog();
    await this.machine.flushWrites();
  }

  /** The same while the machine is stopped, and nothing can write. */
  moveDirtyLog(): void {
    this.codec.moveBits(DIRTY, PENDING, this.words);
    this.count = this.codec.countBits(PENDING, this.words);
    this.word = 0;
  }

  /** Takes the next pages, in rising order, for `pack`; returns how many, 0 when none is left. */
  takeBatch(): number {
    const count = this.codec.takeBits(PENDING, this.words, this.word, LIST, BATCH_PAGES);
    if (count > 0) this.word = this.list[count - 1]! >>> 6;
    this.count -= count;
    return count;
  }

  /** Writes the batch that was taken to `payload`, as the pages are now. */
  pack(count: number, iteration: number, payload: number): { bytes: number; zeroPages: number } {
    const bytes = this.codec.packPages(RAM, LIST, count, iteration, payload);
    const fullPages = (bytes - 8 - 4 * count) / PAGE_SIZE;
    return { bytes, zeroPages: count - fullPages };
  }
}
