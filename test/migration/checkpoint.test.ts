/** A VM that comes back to where its memory of then has been kept. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { contentPages, HASHED_PAGES, hashPages, samePages } from '#migration';
import type { Checkpoint, PageHasher } from '#migration';
import { layout, type GuestMemory } from '#vmm';
import { type CheckpointPorts, connect, endMachines, EVENTUALLY, expectGuestRuns, writingMachine } from './connect.js';
import { codecOf, ramHash, ReceivingMachine, WritingMachine } from './support.js';

const PAGE = layout.PAGE_SIZE;
const digest = (page: Uint8Array) => createHash('sha256').update(page).digest();
const pageOf = (memory: GuestMemory, page: number) =>
  memory.bytes.subarray(layout.RAM + page * PAGE, layout.RAM + (page + 1) * PAGE);

afterEach(endMachines);

/** Hashes in this thread, a little later. */
const hasherOf = (memory: GuestMemory): PageHasher => ({
  threads: 2,
  samePages: async (hashes) => samePages(memory, hashes, digest),
  close: () => undefined,
});

/** What `memory` was like when this was called, to be put into `to`. */
function checkpointOf(memory: GuestMemory, to: GuestMemory): Checkpoint {
  const pages = contentPages(memory, codecOf(memory));
  const contents = [...pages].map((page) => pageOf(memory, page).slice());
  return {
    async *load() {
      for (let from = 0; from < pages.length; from += HASHED_PAGES) {
        const part = pages.slice(from, from + HASHED_PAGES);
        part.forEach((page, index) => pageOf(to, page).set(contents[from + index]!));
        yield hashPages(to, part, digest);
      }
    },
  };
}

/** Content of some pages, by number. */
const contents = fc.dictionary(fc.nat(255).map(String), fc.nat(3), { maxKeys: 60 });
const fill = (memory: GuestMemory, values: Record<string, number>) => {
  for (const [page, value] of Object.entries(values)) pageOf(memory, Number(page)).fill(value);
};

test('of a guest that stands still only what differs is sent, whatever the checkpoint is like', async () => {
  await fc.assert(
    fc.asyncProperty(contents, contents, async (now, then) => {
      const from = new WritingMachine(1);
      const before = new WritingMachine(1);
      fill(from.memory, now);
      fill(before.memory, then);
      const to = new ReceivingMachine(1);
      const { source, destination, far } = connect(from, to, {}, 0, {
        newPageHasher: () => hasherOf(from.memory),
        openCheckpoint: () => checkpointOf(before.memory, to.memory),
      });
      const [figures, outcome] = await Promise.all([source.run(), destination.receive(far)]);
      expect(outcome).toEqual({ kind: 'running' });
      expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
      const same = Object.entries(now).filter(([page, value]) => value > 0 && then[page] === value).length;
      const different = Object.entries(now).filter(([page, value]) => value > 0 && then[page] !== value).length;
      expect(figures).toMatchObject({ status: 'completed', savedPages: same, pages: 256 - same });
      expect(figures.pages - figures.zeroPages).toBe(different);
    }),
    { numRuns: 50 },
  );
});

test.each([0, 3])(
  'a guest that writes meanwhile arrives exactly, with pages saved, over %i connections',
  async (channels) => {
    const from = await writingMachine(64, 2000, 1);
    for (let page = 2000; page < 12_000; page++) pageOf(from.memory, page).fill(page);
    const to = new ReceivingMachine(64);
    const checkpoint = checkpointOf(from.memory, to.memory);
    const ports = { newPageHasher: () => hasherOf(from.memory), openCheckpoint: () => checkpoint };
    const { source, destination, far } = connect(from, to, {}, channels, ports);
    const [figures] = await Promise.all([source.run(), destination.receive(far)]);
    expect(figures).toMatchObject({ status: 'completed', confirmed: true });
    expect(figures.savedPages).toBeGreaterThanOrEqual(10_000 - Math.ceil(10_000 / 256)); // some of them are all zero
    expect(figures.transferredBytes).toBeLessThan(10_000 * PAGE);
    expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
  },
);

test('in post-copy what was the same is not missing', async () => {
  const from = await writingMachine(16, 500, 1);
  for (let page = 1000; page < 2000; page++) pageOf(from.memory, page).fill(1);
  const to = new ReceivingMachine(16);
  const checkpoint = checkpointOf(from.memory, to.memory);
  const ports = { newPageHasher: () => hasherOf(from.memory), openCheckpoint: () => checkpoint };
  const { source, destination, far } = connect(from, to, {}, 0, { ...ports, postcopy: true });
  source.startPostcopy();
  const [figures] = await Promise.all([source.run(), destination.receive(far)]);
  expect(figures).toMatchObject({ status: 'completed', savedPages: expect.any(Number) });
  expect(figures.savedPages).toBeGreaterThanOrEqual(1000);
  expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
});

const neverLoaded: Checkpoint = {
  // oxlint-disable-next-line require-yield -- it is an error to begin
  async *load() {
    throw new Error('nobody asked for it');
  },
};

test.each<[string, CheckpointPorts]>([
  ['the source knows nothing of that', { openCheckpoint: () => neverLoaded }],
  ['the destination does not', { newPageHasher: () => hasherOf(new ReceivingMachine(1).memory) }],
  ['it has none', { newPageHasher: () => hasherOf(new ReceivingMachine(1).memory), openCheckpoint: () => null }],
])('everything is sent if %s', async (_, ports) => {
  const from = await writingMachine(16, 500, 1);
  const to = new ReceivingMachine(16);
  const { source, destination, far } = connect(from, to, {}, 0, ports);
  const [figures] = await Promise.all([source.run(), destination.receive(far)]);
  expect(figures).toMatchObject({ status: 'completed', savedPages: 0 });
  expect(figures.iterations[0]!.pages).toBe(16 * 256);
  expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
});

test('cancelled while pages are compared: the guest goes on, and nothing is left in memory at the destination', async () => {
  const from = await writingMachine(16, 500, 1);
  const to = new ReceivingMachine(16);
  const checkpoint = checkpointOf(from.memory, to.memory);
  const isComparing = vi.fn<() => void>();
  const hasher = hasherOf(from.memory);
  const { source, destination, far } = connect(from, to, {}, 0, {
    newPageHasher: () => ({
      ...hasher,
      samePages: async (hashes) => {
        isComparing();
        source.cancel();
        return hasher.samePages(hashes);
      },
    }),
    openCheckpoint: () => checkpoint,
  });
  const [figures, outcome] = await Promise.all([source.run(), destination.receive(far)]);
  expect(isComparing).toHaveBeenCalled();
  expect(figures).toMatchObject({ status: 'cancelled' });
  expect(outcome).toMatchObject({ kind: 'failed' });
  expect(ramHash(to.memory)).toBe(ramHash(new ReceivingMachine(16).memory));
  await expectGuestRuns(from);
});

test.each([
  ['a length that is none', new Uint8Array(21)],
  ['a page that there is not', new Uint8Array(20).fill(0xff)],
])('HASHES with %s end the migration, and the guest goes on', async (_, hashes) => {
  const from = await writingMachine(16, 100, 1);
  const to = new ReceivingMachine(16);
  const { source, destination, far } = connect(from, to, {}, 0, {
    newPageHasher: () => hasherOf(from.memory),
    openCheckpoint: () => ({
      async *load() {
        yield hashes;
      },
    }),
  });
  const [figures] = await Promise.all([source.run(), destination.receive(far)]);
  expect(figures).toMatchObject({ status: 'failed', error: { code: 'malformed' } });
  await expectGuestRuns(from);
});

test('a page that was written after it was compared is sent', async () => {
  const from = await writingMachine(16, 1, 1); // writes page 0 without end
  const to = new ReceivingMachine(16);
  const { source, destination, far } = connect(from, to, { downtimeLimitMs: 0 }, 0, {
    newPageHasher: () => ({ ...hasherOf(from.memory), samePages: async () => Uint32Array.of(0, 1, 2) }),
    openCheckpoint: () => checkpointOf(from.memory, to.memory),
  });
  const both = Promise.all([source.run(), destination.receive(far)]);
  await vi.waitFor(() => expect(source.figures.iterations.length).toBeGreaterThan(1), EVENTUALLY);
  source.setParameters({ downtimeLimitMs: 5000 });
  await both;
  expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
});
