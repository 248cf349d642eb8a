/** The engine's WebAssembly module (codec/codec.as.ts), bound to one VM's memory. Addresses are byte offsets there. */
import type { AddressType } from '#vmm';

export interface Codec {
  /** What it is an instance of, for others on other memories. */
  readonly module: WebAssembly.Module;
  readonly addresses: AddressType;
  /** How many bits of `words` 64-bit words are set. */
  countBits(bitmap: number, words: number): number;
  /** Clears up to `most` bits from word `first` on and lists their numbers (u32) at `list`; returns how many. */
  takeBits(bitmap: number, words: number, first: number, list: number, most: number): number;
  /** Packs the listed pages as the payload of a RAM frame at `out`; returns its bytes. */
  packPages(ram: number, list: number, count: number, iteration: number, out: number): number;
  /** Pages of a batch that are zero, or -1 if it is malformed, of another iteration, or beyond `pages`. */
  checkBatch(batch: number, bytes: number, iteration: number, pages: number): number;
  /** Puts a checked batch into RAM. */
  unpackPages(ram: number, batch: number): void;
  /** Delta between two pages, at `out`, as its length; -1 if that is more than `most`. */
  encodeDelta(old: number, fresh: number, out: number, most: number): number;
  isDelta(delta: number, bytes: number): number;
  applyDelta(page: number, delta: number, bytes: number): void;
  /** See codec/xbzrle.as.ts; in a memory of their own. */
  openCache(pages: number): void;
  encodeBatch(): number;
  /**
   * Puts those pages of a checked batch into RAM that are missing, and then clears their bits, so that others may read
   * them; a page that is there already may be the guest's by now. Returns how many have come, -1 if there was a delta.
   */
  placePages(ram: number, missing: number, batch: number): number;
  clearPages(ram: number, pages: number): void;
  /** Lists at `list` (u32) which of `count` pages from page `first` on are not zero; returns how many. */
  listContent(ram: number, first: number, count: number, list: number): number;
  /** Writes the checksum of a frame whose `bytes` after the checksum are complete. */
  seal(frame: number, bytes: number, sequence: number): void;
  isIntact(frame: number, bytes: number, sequence: number): number;
  /** XXH64 of `bytes` from `at` on, as a signed 64-bit number. */
  xxh64(at: number, bytes: number, seed: bigint): bigint;
}

/** Of each function: which arguments are addresses or lengths of memory, and so BigInts where addresses have 64 bits. */
const ADDRESSES = {
  countBits: [0],
  takeBits: [0, 3],
  packPages: [0, 1, 4],
  checkBatch: [0],
  unpackPages: [0, 1],
  encodeDelta: [0, 1, 2],
  isDelta: [0],
  applyDelta: [0, 1],
  openCache: [],
  encodeBatch: [],
  placePages: [0, 1, 2],
  clearPages: [0],
  listContent: [0, 3],
  seal: [0],
  isIntact: [0],
  xxh64: [0, 1],
} satisfies Record<Exclude<keyof Codec, 'module' | 'addresses'>, readonly number[]>;

type AnyFunction = (...args: (number | bigint)[]) => number | bigint;

/** Binds the module, compiled for these addresses, to a shared memory that has them. */
export function bindCodec(module: WebAssembly.Module, memory: WebAssembly.Memory, addresses: AddressType): Codec {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const functions = addresses === 'i32' ? exports : Object.fromEntries(Object.entries(ADDRESSES).map(widened(exports)));
  return { ...(functions as unknown as Codec), module, addresses };
}

const widened =
  (exports: WebAssembly.Exports) =>
  ([name, wide]: readonly [string, readonly number[]]): [string, AnyFunction] => {
    const call = exports[name] as AnyFunction;
    return [name, (...args) => call(...args.map((value, index) => (wide.includes(index) ? BigInt(value) : value)))];
  };
