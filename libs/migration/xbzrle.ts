/** XBZRLE: of pages that were sent before, only what has changed since is sent (codec/xbzrle.as.ts). */
import { layout, newSharedMemory, type GuestMemory } from '#vmm';
import { bindCodec, type Codec } from './codec.js';
import { XBZRLE_FIGURES, XBZRLE_IN, XBZRLE_INDEX, XBZRLE_OUT } from './codec/xbzrle-layout.js';

/** In QEMU's words (qapi/migration.json, XBZRLECacheStats). Counted from the start of the migration. */
export interface XbzrleFigures {
  readonly cacheBytes: number;
  /** Pages that went as deltas, and the bytes of these. */
  readonly pages: number;
  readonly bytes: number;
  /** Pages of which the cache did not know what the destination has. */
  readonly cacheMiss: number;
  /** Pages of which so much had changed that they went as a whole. */
  readonly overflow: number;
  /** In the latest pass: part of the pages that were not in the cache, and content of the deltas by their bytes. */
  readonly cacheMissRate: number;
  readonly encodingRate: number;
}

/** What the cache needs for the place of each page, beside the page. */
const INDEX_ENTRY = 8;
/** The codec's module asks for at least that much. */
const LEAST_BYTES = 513 * 65_536;
const NOTHING = { pages: 0, bytes: 0, cacheMiss: 0, overflow: 0 };
type Counts = typeof NOTHING;

export class Xbzrle {
  private cache: DeltaCache | null = null;
  /** Of caches before this one, and when the latest pass began. */
  private counted: Counts = NOTHING;
  private atPass: Counts & { sentPages: number } = { ...NOTHING, sentPages: 0 };
  private rates = { cacheMissRate: 0, encodingRate: 0 };

  constructor(
    private readonly memory: GuestMemory,
    private readonly codec: Codec,
  ) {}

  /** null = off. A cache of another size begins empty, as one that is switched on does. Throws if there is no memory. */
  setCacheBytes(cacheBytes: number | null): void {
    if (cacheBytes === (this.cache?.cacheBytes ?? null)) return;
    this.counted = this.counts;
    this.cache = cacheBytes === null ? null : new DeltaCache(this.codec, cacheBytes);
  }

  /** Turns pages of the batch at `payload` into deltas, in place, where it can; returns what the batch comes to then. */
  encode(payload: number, bytes: number): number {
    return this.cache ? this.cache.encode(this.memory, payload, bytes) : bytes;
  }

  /** A pass has ended; `sentPages` were sent in all since the start. */
  passed(sentPages: number): void {
    const { counts, atPass } = this;
    const pages = counts.pages - atPass.pages;
    const bytes = counts.bytes - atPass.bytes;
    const sent = sentPages - atPass.sentPages;
    this.rates = {
      cacheMissRate: sent > 0 ? (counts.cacheMiss - atPass.cacheMiss) / sent : 0,
      encodingRate: bytes > 0 ? (pages * layout.PAGE_SIZE) / bytes : 0,
    };
    this.atPass = { ...counts, sentPages };
  }

  /** null if it was never on. */
  get figures(): XbzrleFigures | null {
    const { counts } = this;
    if (!this.cache && Object.values(counts).every((count) => count === 0)) return null;
    return { cacheBytes: this.cache?.cacheBytes ?? 0, ...counts, ...this.rates };
  }

  private get counts(): Counts {
    const { counted } = this;
    const { pages, bytes, cacheMiss, overflow } = this.cache?.counts ?? NOTHING;
    return {
      pages: counted.pages + pages,
      bytes: counted.bytes + bytes,
      cacheMiss: counted.cacheMiss + cacheMiss,
      overflow: counted.overflow + overflow,
    };
  }
}

class DeltaCache {
  private readonly codec: Codec;
  private readonly bytes: Uint8Array;
  private readonly figures: Uint32Array;

  constructor(
    { module, addresses }: Codec,
    readonly cacheBytes: number,
  ) {
    const pages = cacheBytes / layout.PAGE_SIZE;
    const needed = XBZRLE_INDEX + pages * (INDEX_ENTRY + layout.PAGE_SIZE);
    const memory = newSharedMemory(Math.max(LEAST_BYTES, needed), addresses);
    this.codec = bindCodec(module, memory, addresses);
    this.codec.openCache(pages);
    this.bytes = new Uint8Array(memory.buffer);
    this.figures = new Uint32Array(memory.buffer, XBZRLE_FIGURES, 4);
  }

  encode(guest: GuestMemory, payload: number, bytes: number): number {
    this.bytes.set(guest.bytes.subarray(payload, payload + bytes), XBZRLE_IN);
    const encoded = this.codec.encodeBatch();
    guest.bytes.set(this.bytes.subarray(XBZRLE_OUT, XBZRLE_OUT + encoded), payload);
    return encoded;
  }

  get counts(): Counts {
    const [pages, bytes, cacheMiss, overflow] = this.figures as unknown as [number, number, number, number];
    return { pages, bytes, cacheMiss, overflow };
  }
}
