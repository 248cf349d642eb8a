/** The codec against published values and against plain TypeScript. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GuestMemory, layout, MAX_RAM_BYTES } from '#vmm';
import { codecOf } from './support.js';

const RAM_PAGES = 256;
const { ENGINE, PAGE_SIZE, RAM } = layout;
const memory = GuestMemory.create(RAM_PAGES * PAGE_SIZE, 1);
const codec = codecOf(memory);
const LIST = ENGINE;
const BATCH = ENGINE + 0x1_0000;
const BITMAP = ENGINE + 0x20_0000;

const PRIME = 2_654_435_761;

/** The buffer that xxHash's own self test hashes (xxhsum, sanity check). */
function sanityBuffer(length: number): Uint8Array {
  let generator = PRIME;
  return Uint8Array.from({ length }, () => {
    const byte = generator >>> 24;
    generator = Math.imul(generator, generator) >>> 0;
    return byte;
  });
}

function xxh64(bytes: Uint8Array, seed: bigint): string {
  memory.bytes.set(bytes, ENGINE);
  return BigInt.asUintN(64, codec.xxh64(ENGINE, bytes.length, seed))
    .toString(16)
    .padStart(16, '0');
}

describe('XXH64', () => {
  const prime = BigInt(PRIME);
  test.each([
    [0, 0n, 'ef46db3751d8e999'],
    [0, prime, 'ac75fda2929b17ef'],
    [1, 0n, '4fce394cc88952d8'],
    [1, prime, '739840cb819fa723'],
    [14, 0n, 'cffa8db881bc3a3d'],
    [14, prime, '5b9611585efcc9cb'],
    [101, 0n, '0eab543384f878ad'],
    [101, prime, 'caa65939306f1e21'],
  ])('of %i bytes with seed %i', (length, seed, hash) => {
    expect(xxh64(sanityBuffer(length), seed)).toBe(hash);
  });

  test.each([
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
    ['xxhash', '32dd38952c4bc720'],
  ])('of %j', (text, hash) => {
    expect(xxh64(new TextEncoder().encode(text), 0n)).toBe(hash);
  });
});

test('takes exactly the bits that are set, in rising order, in any batch size', () => {
  const pages = fc.uniqueArray(fc.nat(1023), { maxLength: 300 });
  fc.assert(
    fc.property(pages, fc.integer({ min: 1, max: 256 }), (set, most) => {
      const bitmap = memory.bytes.subarray(BITMAP, BITMAP + 128).fill(0);
      for (const page of set) bitmap[page >> 3]! |= 1 << (page & 7);
      expect(codec.countBits(BITMAP, 16)).toBe(set.length);
      const taken: number[] = [];
      for (let first = 0; ; first = taken.at(-1)! >>> 6) {
        const count = codec.takeBits(BITMAP, 16, first, LIST, most);
        if (count === 0) break;
        taken.push(...new Uint32Array(memory.memory.buffer, LIST, count));
      }
      expect(taken).toEqual(set.toSorted((a, b) => a - b));
      expect(codec.countBits(BITMAP, 16)).toBe(0);
    }),
  );
});

/** A page that differs from zero in one byte at most, so that a scan that skips a byte is found out. */
const content = fc.record({ at: fc.nat(PAGE_SIZE - 1), value: fc.constantFrom(0, 1, 0x80) });
const somePages = fc.uniqueArray(fc.record({ page: fc.nat(RAM_PAGES - 1), content }), {
  selector: ({ page }) => page,
  maxLength: 60,
});

/** Packs pages after putting them into RAM; returns the batch. */
function pack(pages: readonly { page: number; content: { at: number; value: number } }[], iteration = 3): Uint8Array {
  memory.bytes.fill(0, RAM, RAM + memory.ramBytes);
  for (const {
    page,
    content: { at, value },
  } of pages)
    memory.bytes[RAM + page * PAGE_SIZE + at] = value;
  new Uint32Array(memory.memory.buffer, LIST, pages.length).set(pages.map(({ page }) => page));
  const bytes = codec.packPages(RAM, LIST, pages.length, iteration, BATCH);
  return memory.bytes.slice(BATCH, BATCH + bytes);
}

test('what is packed is unpacked, over any earlier content; zero pages go by number', () => {
  fc.assert(
    fc.property(somePages, fc.integer({ min: 0, max: 255 }), (pages, before) => {
      const batch = pack(pages);
      const full = pages.filter(({ content: { value } }) => value !== 0).length;
      expect(batch.length).toBe(8 + 4 * pages.length + full * PAGE_SIZE);
      const sent = memory.bytes.slice(RAM, RAM + memory.ramBytes);

      memory.bytes.fill(before, RAM, RAM + memory.ramBytes);
      expect(codec.checkBatch(BATCH, batch.length, 3, RAM_PAGES)).toBe(pages.length - full);
      codec.unpackPages(RAM, BATCH);
      const named = new Set(pages.map(({ page }) => page));
      for (let page = 0; page < RAM_PAGES; page++) {
        const here = Buffer.from(memory.bytes.subarray(RAM + page * PAGE_SIZE, RAM + (page + 1) * PAGE_SIZE));
        const there = named.has(page)
          ? sent.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)
          : new Uint8Array(PAGE_SIZE).fill(before);
        expect(here.equals(there)).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
});

test('a batch that is too short, too long, of another iteration or beyond RAM is refused', () => {
  fc.assert(
    fc.property(somePages, fc.nat(5000), (pages, change) => {
      const { length } = pack(pages);
      for (const wrong of [length - 1 - change, length + 1 + change]) {
        expect(codec.checkBatch(BATCH, Math.max(0, wrong), 3, RAM_PAGES)).toBe(-1);
      }
      expect(codec.checkBatch(BATCH, length, 4, RAM_PAGES)).toBe(-1);
      const ramPages = Math.max(0, ...pages.map(({ page }) => page + 1));
      expect(codec.checkBatch(BATCH, length, 3, ramPages)).toBeGreaterThanOrEqual(0);
      expect(codec.checkBatch(BATCH, length, 3, Math.max(0, ramPages - 1))).toBe(pages.length > 0 ? -1 : 0);
    }),
  );
  const random = fc.uint8Array({ minLength: 0, maxLength: 64 });
  fc.assert(
    fc.property(random, (bytes) => {
      memory.bytes.set(bytes, BATCH);
      const zeros = codec.checkBatch(BATCH, bytes.length, 3, RAM_PAGES);
      expect(Math.max(0, zeros) * 4).toBeLessThanOrEqual(bytes.length);
    }),
  );
});

test('clears RAM', () => {
  pack([
    { page: 0, content: { at: 0, value: 1 } },
    { page: 9, content: { at: 4095, value: 1 } },
  ]);
  codec.clearPages(RAM, RAM_PAGES);
  expect(memory.bytes.subarray(RAM, RAM + memory.ramBytes).every((byte) => byte === 0)).toBe(true);
});

test('a sealed frame is intact; a flipped bit or another number in the stream shows', () => {
  const frame = fc.uint8Array({ minLength: 8, maxLength: 200 });
  fc.assert(
    fc.property(frame, fc.nat(), fc.nat(0xffff_fffe), (bytes, flip, sequence) => {
      memory.bytes.set(bytes, BATCH + 8);
      codec.seal(BATCH, bytes.length, sequence);
      expect(codec.isIntact(BATCH, bytes.length, sequence)).toBe(1);
      expect(codec.isIntact(BATCH, bytes.length, sequence + 1)).toBe(0);
      memory.bytes[BATCH + ((flip >> 3) % (8 + bytes.length))]! ^= 1 << (flip & 7);
      expect(codec.isIntact(BATCH, bytes.length, sequence)).toBe(0);
    }),
  );
});

test('the last page of the largest RAM is not taken for zero, wherever its content is', () => {
  const largest = GuestMemory.create(MAX_RAM_BYTES, 1);
  const [last, at] = [largest.ramPages - 1, layout.RAM_BASE + MAX_RAM_BYTES];
  const itsCodec = codecOf(largest);
  largest.view.setUint32(LIST, last, true);
  const packed = () => itsCodec.packPages(RAM, LIST, 1, 1, BATCH);
  expect(packed()).toBe(8 + 4);
  largest.write8(at - 1, 1);
  expect(packed()).toBe(8 + 4 + PAGE_SIZE);
});
