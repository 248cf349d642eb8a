/** Which blocks of a disk its copy does not have yet. */

/** What a mirror counts in: QEMU's granularity where nothing else is asked for. */
export const BLOCK_BYTES = 65_536;

export class DirtyBlocks {
  /** 1 for each block that is dirty. */
  private readonly blocks: Uint8Array;
  private dirty = 0;
  /** Where the next search begins, so that all blocks have their turn. */
  private cursor = 0;

  constructor(readonly sizeBytes: number) {
    this.blocks = new Uint8Array(Math.ceil(sizeBytes / BLOCK_BYTES));
  }

  /** Of all dirty blocks; the last one of a disk may be shorter. */
  get bytes(): number {
    const last = this.blocks.at(-1) === 1 ? (BLOCK_BYTES - (this.sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES : 0;
    return this.dirty * BLOCK_BYTES - last;
  }

  get isEmpty(): boolean {
    return this.dirty === 0;
  }

  /** Every block that has a byte of the range. */
  mark(offset: number, size: number): void {
    if (size === 0) return;
    const end = Math.ceil((offset + size) / BLOCK_BYTES);
    for (let block = Math.floor(offset / BLOCK_BYTES); block < end; block++) {
      this.dirty += 1 - this.blocks[block]!;
      this.blocks[block] = 1;
    }
  }

  /** True if no block of the range is clean. */
  hasAll(offset: number, size: number): boolean {
    const range = this.blocks.subarray(Math.floor(offset / BLOCK_BYTES), Math.ceil((offset + size) / BLOCK_BYTES));
    return !range.includes(0);
  }

  /** Takes dirty blocks that lie together, at most so many bytes, which are clean from then on; undefined if there are none. */
  take(maxBytes: number): { offset: number; size: number } | undefined {
    if (this.dirty === 0) return undefined;
    const found = this.blocks.indexOf(1, this.cursor);
    const first = found < 0 ? this.blocks.indexOf(1) : found;
    let end = first;
    const limit = Math.min(this.blocks.length, first + Math.max(1, Math.floor(maxBytes / BLOCK_BYTES)));
    while (end < limit && this.blocks[end] === 1) this.blocks[end++] = 0;
    this.dirty -= end - first;
    this.cursor = end;
    const offset = first * BLOCK_BYTES;
    return { offset, size: Math.min(end * BLOCK_BYTES, this.sizeBytes) - offset };
  }
}
