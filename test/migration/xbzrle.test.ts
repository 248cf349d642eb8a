/** Deltas of pages, the cache that makes them, and migrations with it. */
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { GuestMemory, layout } from '#vmm';
import { Xbzrle } from '../../libs/migration/xbzrle.js';
import { connect, endMachines, EVENTUALLY, writingMachine } from './connect.js';
import { codecOf, ramHash, ReceivingMachine } from './support.js';

const { ENGINE, PAGE_SIZE, RAM } = layout;
const MIB = 2 ** 20;
const memory = GuestMemory.create(MIB, 1);
const codec = codecOf(memory);
const [OLD, FRESH, DELTA, TARGET] = [0, 1, 2, 3].map((page) => RAM + page * PAGE_SIZE) as [
  number,
  number,
  number,
  number,
];

/** Page content: some ranges of a page that is otherwise one byte over and over. */
const ranges = fc.array(
  fc.record({ at: fc.nat(PAGE_SIZE - 1), length: fc.integer({ min: 1, max: 600 }), value: fc.nat(255) }),
  { maxLength: 40 },
);

function write(page: number, base: number, changes: { at: number; length: number; value: number }[]): Uint8Array {
  const bytes = memory.bytes.subarray(page, page + PAGE_SIZE).fill(base);
  for (const { at, length, value } of changes) bytes.fill(value, at, Math.min(PAGE_SIZE, at + length));
  return bytes;
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);

/** As docs/xbzrle.txt has it, the slow way. */
function decode(old: Uint8Array, delta: Uint8Array): Uint8Array {
  const page = old.slice();
  let [from, at] = [0, 0];
  const length = () => {
    let [value, shift] = [0, 0];
    for (;;) {
      const byte = delta[from++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
      shift += 7;
    }
  };
  while (from < delta.length) {
    at += length();
    const changed = length();
    page.set(delta.subarray(from, from + changed), at);
    from += changed;
    at += changed;
  }
  return page;
}

describe('a delta', () => {
  test('makes the old page the new one, whatever the two are, and says so if it would be too long', () => {
    fc.assert(
      fc.property(fc.nat(255), ranges, ranges, fc.integer({ min: 0, max: PAGE_SIZE }), (base, before, change, most) => {
        const old = write(OLD, base, before).slice();
        memory.bytes.copyWithin(FRESH, OLD, OLD + PAGE_SIZE);
        const fresh = memory.bytes.subarray(FRESH, FRESH + PAGE_SIZE);
        for (const { at, length, value } of change) fresh.fill(value, at, Math.min(PAGE_SIZE, at + length));
        const length = codec.encodeDelta(OLD, FRESH, DELTA, most);
        if (length < 0) {
          expect(change.length).toBeGreaterThan(0);
          return;
        }
        expect(length).toBeLessThanOrEqual(most);
        const delta = memory.bytes.slice(DELTA, DELTA + length);
        expect(codec.isDelta(DELTA, length)).toBe(1);
        expect(same(decode(old, delta), fresh)).toBe(true);
        memory.bytes.set(old, TARGET);
        codec.applyDelta(TARGET, DELTA, length);
        expect(same(memory.bytes.subarray(TARGET, TARGET + PAGE_SIZE), fresh)).toBe(true);
        if (same(old, fresh)) expect(length).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('has the form that QEMU documents', () => {
    const old = write(OLD, 0, []);
    const fresh = write(FRESH, 0, [
      { at: 200, length: 2, value: 7 },
      { at: PAGE_SIZE - 1, length: 1, value: 9 },
    ]);
    const length = codec.encodeDelta(OLD, FRESH, DELTA, PAGE_SIZE);
    const expected = [0xc8, 0x01, 2, 7, 7, 0xb5, 0x1e, 1, 9]; // 200 equal, 2 new, 3893 equal, 1 new
    expect([...memory.bytes.subarray(DELTA, DELTA + length)]).toEqual(expected);
    expect(same(decode(old, Uint8Array.from(expected)), fresh)).toBe(true);
  });

  test('that is garbage never reaches beyond its page', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        memory.bytes.set(bytes, ENGINE);
        if (!codec.isDelta(ENGINE, bytes.length)) return;
        const around = memory.bytes.slice(TARGET + PAGE_SIZE, TARGET + 2 * PAGE_SIZE);
        codec.applyDelta(TARGET, ENGINE, bytes.length);
        expect(same(memory.bytes.subarray(TARGET + PAGE_SIZE, TARGET + 2 * PAGE_SIZE), around)).toBe(true);
      }),
    );
  });
});

describe('the cache', () => {
  const PAGES = 24;
  const [LIST, BATCH] = [ENGINE, ENGINE + 0x1_0000];
  const passes = fc.array(
    fc.array(fc.record({ page: fc.nat(PAGES - 1), changes: ranges, base: fc.constantFrom(null, 0, 5) }), {
      minLength: 1,
      maxLength: 10,
    }),
    { minLength: 2, maxLength: 12 },
  );

  interface Write {
    readonly page: number;
    readonly changes: readonly { readonly at: number; readonly length: number; readonly value: number }[];
    /** What the page is filled with before. */
    readonly base: number | null;
  }

  /** Sends passes over changing memory through a cache of that many pages; compares after each. */
  function runPasses(all: readonly Write[][], cachePages: number): void {
    const source = GuestMemory.create(MIB, 1);
    const there = GuestMemory.create(MIB, 1);
    const [sender, receiver] = [codecOf(source), codecOf(there)];
    const xbzrle = new Xbzrle(source, sender);
    xbzrle.setCacheBytes(cachePages * PAGE_SIZE);
    for (const [index, writes] of all.entries()) {
      const pass = index + 1;
      for (const { page, changes, base } of writes) {
        const bytes = source.bytes.subarray(RAM + page * PAGE_SIZE, RAM + (page + 1) * PAGE_SIZE);
        if (base !== null) bytes.fill(base); // 0 makes a zero page of it
        for (const { at, length, value } of changes) bytes.fill(value, at, Math.min(PAGE_SIZE, at + length));
      }
      const dirty = [...new Set(writes.map(({ page }) => page))].toSorted((a, b) => a - b);
      new Uint32Array(source.memory.buffer, LIST, dirty.length).set(dirty);
      const packed = sender.packPages(RAM, LIST, dirty.length, pass, BATCH);
      const bytes = xbzrle.encode(BATCH, packed);
      expect(bytes).toBeLessThanOrEqual(packed);
      there.bytes.set(source.bytes.subarray(BATCH, BATCH + bytes), BATCH);
      expect(receiver.checkBatch(BATCH, bytes, pass, there.ramPages)).toBeGreaterThanOrEqual(0);
      receiver.unpackPages(RAM, BATCH);
      if (pass % 5 === 0) xbzrle.setCacheBytes(pass % 2 === 0 ? null : 2 * cachePages * PAGE_SIZE);
      const end = RAM + PAGES * PAGE_SIZE;
      expect(same(source.bytes.subarray(RAM, end), there.bytes.subarray(RAM, end))).toBe(true);
    }
  }

  test.each([1, 4, 32])('of %i pages: after each pass the destination has what the source has', (cachePages) => {
    fc.assert(
      fc.property(passes, (all) => runPasses(all, cachePages)),
      { numRuns: 15 },
    );
  });

  test('counts what it does, over a change of size', () => {
    const xbzrle = new Xbzrle(memory, codec);
    expect(xbzrle.figures).toBeNull();
    xbzrle.setCacheBytes(16 * PAGE_SIZE);
    const send = (pass: number) => {
      memory.view.setUint32(LIST, 9, true);
      return xbzrle.encode(BATCH, codec.packPages(RAM, LIST, 1, pass, BATCH));
    };
    write(RAM + 9 * PAGE_SIZE, 1, []);
    expect(send(2)).toBe(12 + PAGE_SIZE);
    memory.bytes[RAM + 9 * PAGE_SIZE + 100] = 2;
    expect(send(3)).toBe(12 + 2 + 3); // a run of one byte
    for (let i = 0; i < PAGE_SIZE; i++) memory.bytes[RAM + 9 * PAGE_SIZE + i] = i * 7 + (i >> 8) + 3;
    expect(send(4)).toBe(12 + PAGE_SIZE);
    xbzrle.passed(3);
    const counts = { pages: 1, bytes: 5, cacheMiss: 1, overflow: 1 };
    expect(xbzrle.figures).toEqual({
      ...{ cacheBytes: 16 * PAGE_SIZE, ...counts },
      cacheMissRate: 1 / 3,
      encodingRate: PAGE_SIZE / 5,
    });
    xbzrle.setCacheBytes(32 * PAGE_SIZE);
    expect(send(5)).toBe(12 + PAGE_SIZE);
    expect(xbzrle.figures).toMatchObject({ cacheBytes: 32 * PAGE_SIZE, ...counts, cacheMiss: 2 });
    xbzrle.setCacheBytes(null);
    expect(xbzrle.figures).toMatchObject({ cacheBytes: 0, cacheMiss: 2 });
  });
});

describe('a migration', () => {
  afterEach(endMachines);

  test('arrives exactly, with XBZRLE on, resized, off and on again in mid-flight', async () => {
    const from = await writingMachine(8, 1000, 0);
    const to = new ReceivingMachine(8);
    // Below 0: it goes on also if the guest has not come to write between two passes.
    const { source, destination, far } = connect(from, to, { downtimeLimitMs: -1, xbzrleCacheBytes: MIB });
    const both = Promise.all([source.run(), destination.receive(far)]);
    const passes = async (more: number) => {
      const until = source.figures.iterations.at(-1)?.iteration ?? 0;
      const passed = () => expect(source.figures.iterations.at(-1)?.iteration ?? 0).toBeGreaterThan(until + more);
      await vi.waitFor(passed, EVENTUALLY);
    };
    await passes(3);
    source.setParameters({ xbzrleCacheBytes: 8 * MIB });
    await passes(3);
    source.setParameters({ xbzrleCacheBytes: null });
    await passes(1);
    source.setParameters({ xbzrleCacheBytes: 8 * MIB });
    await passes(3);
    source.setParameters({ downtimeLimitMs: 5000 });
    const [figures] = await both;
    expect(figures.status).toBe('completed');
    expect(figures.xbzrle!.pages).toBeGreaterThan(100);
    expect(figures.xbzrle!.encodingRate).toBeGreaterThan(2);
    expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
  });
});
