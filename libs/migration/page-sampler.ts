/**
 * What compression and XBZRLE would make of the pages that the guest writes, found out on a few dozen of them: random
 * ones among those that are dirty are compressed, and kept; of those that are dirty again at the next look, the delta to
 * what was kept is made. So what either means would gain is known before it is switched on.
 */
import { layout, newSharedMemory } from '#vmm';
import type { GuestMemory } from '#vmm';
import { bindCodec, type Codec } from './codec.js';
import { XBZRLE_IN, XBZRLE_INDEX, XBZRLE_OUT } from './codec/xbzrle-layout.js';
import type { Compressors, CompressionMethod } from './compressors.js';

/** Sizes of a page afterwards, as shares of the page, on average over the latest looks; null: not known. */
export interface PageShares {
  readonly compressedShare: number | null;
  readonly deltaShare: number | null;
}
export const UNSAMPLED: PageShares = { compressedShare: null, deltaShare: null };

export interface PageSamplerOptions {
  readonly memory: GuestMemory;
  readonly codec: Codec;
  /** One bit a page: written of late. */
  readonly dirty: Uint32Array;
  readonly loadCompressors: () => Promise<Compressors>;
  /** At least 0 and less than 1. */
  readonly random?: () => number;
}

const { PAGE_SIZE, RAM } = layout;
/** Pages kept from look to look. */
const SAMPLES = 32;
/** Fewer pages say nothing. */
const FEWEST = 4;
/** Looks that are averaged. */
const LOOKS_KEPT = 4;
/** Of a memory that the codec's module accepts. */
const SCRATCH_BYTES = 2 ** 26;
/** A longer delta is not sent as one. */
const LONGEST_DELTA = PAGE_SIZE - 4;

export class PageSampler {
  /** Numbers of the pages that are kept, in their places behind XBZRLE_INDEX. */
  private kept: readonly number[] = [];
  private compressors: Compressors | null = null;
  private readonly compressed: number[] = [];
  private readonly deltas: number[] = [];
  private readonly scratch: Uint8Array;
  private readonly codec: Codec;

  constructor(private readonly options: PageSamplerOptions) {
    const { module, addresses } = options.codec;
    const memory = newSharedMemory(SCRATCH_BYTES, addresses);
    this.codec = bindCodec(module, memory, addresses);
    this.scratch = new Uint8Array(memory.buffer);
  }

  get shares(): PageShares {
    return { compressedShare: mean(this.compressed), deltaShare: mean(this.deltas) };
  }

  /** Resolves when it can compress, too. */
  async load(): Promise<void> {
    this.compressors ??= await this.options.loadCompressors();
  }

  /** Begins anew: what was seen until now is of another time. */
  restart(): void {
    this.kept = [];
    this.compressed.length = 0;
    this.deltas.length = 0;
  }

  /** Compares what was kept, where it is dirty again, and keeps other pages that are dirty now. */
  look(method: CompressionMethod, level: number): void {
    const deltas = this.deltaShares();
    if (deltas.length >= FEWEST) note(this.deltas, mean(deltas)!);
    this.keep();
    if (!this.compressors || this.kept.length < FEWEST) return;
    const pages = this.scratch.subarray(placeOf(0), placeOf(this.kept.length)); // together, as batches are
    note(this.compressed, Math.min(1, this.compressors[method].compress(pages, level).length / pages.length));
  }

  private deltaShares(): number[] {
    const again = this.kept.flatMap((page, place) => (this.isDirty(page) ? [{ page, place }] : []));
    return again.map(({ page, place }) => {
      this.scratch.set(this.guestPage(page), XBZRLE_IN);
      const bytes = this.codec.encodeDelta(placeOf(place), XBZRLE_IN, XBZRLE_OUT, LONGEST_DELTA);
      return bytes < 0 ? 1 : bytes / PAGE_SIZE;
    });
  }

  /** Copies random pages that are dirty and not zero: those are sent in no time whatever is done. */
  private keep(): void {
    const { dirty, random = Math.random } = this.options;
    const kept: number[] = [];
    for (let tries = 0; tries < 2 * SAMPLES && kept.length < SAMPLES; tries++) {
      const page = dirtyPageBehind(dirty, Math.floor(random() * dirty.length));
      if (page === null) break;
      if (kept.includes(page)) continue;
      this.scratch.set(this.guestPage(page), placeOf(kept.length));
      if (this.keptPage(kept.length).some((byte) => byte !== 0)) kept.push(page);
    }
    this.kept = kept;
  }

  private isDirty(page: number): boolean {
    return (this.options.dirty[page >>> 5]! & (1 << (page & 31))) !== 0;
  }

  private guestPage(page: number): Uint8Array {
    return this.options.memory.bytes.subarray(RAM + page * PAGE_SIZE, RAM + (page + 1) * PAGE_SIZE);
  }

  private keptPage(place: number): Uint8Array {
    return this.scratch.subarray(placeOf(place), placeOf(place) + PAGE_SIZE);
  }
}

const placeOf = (place: number): number => XBZRLE_INDEX + place * PAGE_SIZE;

/** A page of the first word with a bit from `word` on, and around the end; null: there is none. */
function dirtyPageBehind(dirty: Uint32Array, word: number): number | null {
  for (let step = 0; step < dirty.length; step++) {
    const at = (word + step) % dirty.length;
    const bits = dirty[at]!;
    if (bits !== 0) return at * 32 + (31 - Math.clz32(bits));
  }
  return null;
}

function note(looks: number[], share: number): void {
  looks.push(share);
  if (looks.length > LOOKS_KEPT) looks.shift();
}

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
