/** Post-copy from end to end over connections in memory: whatever is asked for, in whatever order, and wherever they break. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { IncomingMigration, PrecopySource } from '#migration';
import type { IncomingOutcome, MigrationFigures, PrecopyParameters } from '#migration';
import { layout } from '#vmm';
import { OverlappedBlockTime } from '../../libs/migration/block-time.js';
import { noteMiss } from '../../libs/vmm/missing-pages.js';
import { hartBlock, store32 } from '../../libs/vmm/shared.js';
import { COMMIT } from './cutting-proxy.js';
import { endMachines, EVENTUALLY, writingMachine } from './connect.js';
import { ReceivingMachine, WritingMachine, channelPair, codecOf, ramHash, realClock } from './support.js';
import type { MemoryChannel, Tamper } from './support.js';

const { H_MISSING, PAGE_SIZE, RAM } = layout;
const RAM_MIB = 2;
const PAGES = (RAM_MIB * 2 ** 20) / PAGE_SIZE;

afterEach(endMachines);

/** A machine that stands still, with content in every third page. */
function filledMachine(): WritingMachine {
  const machine = new WritingMachine(RAM_MIB);
  for (let page = 0; page < PAGES; page += 3) {
    machine.memory.bytes.fill(page % 251, RAM + page * PAGE_SIZE, RAM + (page + 1) * PAGE_SIZE);
  }
  return machine;
}

interface Options {
  readonly parameters?: Partial<PrecopyParameters>;
  /** What happens to the bytes of the first connections. */
  readonly tamper?: Partial<Lanes<Tamper>>;
  readonly recoverMs?: number;
  /** How much later than on the other one all arrives that the destination sends on the main connection, its end too. */
  readonly lagMs?: number;
}

function lag(channel: MemoryChannel, ms: number): void {
  const write = channel.write.bind(channel);
  const close = channel.close.bind(channel);
  channel.write = async (bytes) => {
    await sleep(ms);
    await write(bytes);
  };
  channel.close = async (graceMs) => {
    await sleep(ms);
    await close(graceMs);
  };
}

interface Lanes<T> {
  main: T;
  urgent: T;
}

/** A migration with post-copy, over connections that are made anew for each attempt. */
class Postcopy {
  readonly to: ReceivingMachine;
  readonly source: PrecopySource;
  readonly destination: IncomingMigration;
  readonly statuses = new Set<string>();
  outcome: IncomingOutcome | null = null;
  /** Of the present connections; the next ones take what is set here when they are made. */
  tamper: Partial<Lanes<Tamper>>;
  private readonly lagMs: number;
  private connections = 0;

  constructor(
    readonly from: WritingMachine,
    { parameters = {}, tamper = {}, recoverMs = 20_000, lagMs = 0 }: Options = {},
  ) {
    this.lagMs = lagMs;
    const ramMiB = from.memory.ramBytes / 2 ** 20;
    this.to = new ReceivingMachine(ramMiB);
    this.tamper = tamper;
    const both = { clock: realClock, migrationId: 'm-1' };
    this.source = new PrecopySource({
      ...both,
      epoch: 8,
      parameters: { recoverMs, ...parameters },
      machine: from,
      codec: codecOf(from.memory),
      postcopy: true,
      patience: { runningMs: 5000, stoppedMs: 2000 },
      connect: () => this.connect(),
      onChange: ({ status }) => this.statuses.add(status),
    });
    this.destination = new IncomingMigration({
      machine: this.to,
      codec: codecOf(this.to.memory),
      clock: realClock,
      epoch: 7,
      postcopyPatienceMs: 2000,
      onChange: () => undefined,
    });
    this.destination.setRecoverTime(recoverMs);
  }

  /** The source's end of a new connection; the first of two is the main one. */
  connect = async () => {
    const [near, far] = channelPair(4096);
    const name = this.connections++ % 2 === 0 ? 'main' : 'urgent';
    far.tamper = this.tamper[name] ?? ((chunk) => chunk);
    near.tamper = this.tamper[name] ?? ((chunk) => chunk);
    if (name === 'main' && this.lagMs > 0) lag(far, this.lagMs);
    void this.receive(far);
    return near;
  };

  private async receive(far: MemoryChannel): Promise<void> {
    const outcome = await this.destination.receive(far);
    if (outcome.kind === 'running' || outcome.kind === 'failed') this.outcome = outcome;
  }

  /** Over new connections, as soon as both sides have given up the old ones. False if there is no need to. */
  async resume(): Promise<boolean> {
    await vi.waitFor(() => {
      if (this.outcome) return;
      const { status, isConnected } = this.destination.figures;
      const isPaused = status === 'postcopy_paused' || (status === 'loaded' && !isConnected);
      if (!isPaused) throw new Error(`the destination is ${status}`);
      this.source.resume(this.connect); // throws if it is not paused yet
      this.connections = 0;
    }, EVENTUALLY);
    return this.outcome === null;
  }

  /** Hart 0 needs a page, as if its thread had found that it is missing; resolves when it has come. */
  async touch(page: number): Promise<void> {
    const { memory } = this.to;
    if (!memory.isMissing(page)) return;
    store32(memory, hartBlock(0) + H_MISSING, page + 1);
    noteMiss(memory, 0);
    await vi.waitUntil(() => !memory.isMissing(page), EVENTUALLY);
    store32(memory, hartBlock(0) + H_MISSING, 0);
  }
}

test('a guest that never converges arrives, in the midst of a pass, with the pages that it asks for first', async () => {
  const from = await writingMachine(16, 3000, 0);
  const migration = new Postcopy(from, {
    parameters: { maxBandwidth: 16 * 2 ** 20, downtimeLimitMs: 1, maxPostcopyBandwidth: 2 ** 20 },
  });
  const run = migration.source.run();
  await vi.waitFor(() => expect(migration.source.figures.iterations.length).toBeGreaterThan(1), EVENTUALLY);
  migration.source.startPostcopy();
  await vi.waitFor(() => expect(migration.to.started).toEqual([true]), EVENTUALLY);
  expect(migration.to.memory.isComplete).toBe(false);
  for (const page of [2999, 10, 2500]) await migration.touch(page);
  migration.destination.request([1234, 1235]); // a device
  await vi.waitFor(
    () => expect(migration.to.memory.missingPages(0x8000_0000 + 1234 * PAGE_SIZE, 8192)).toEqual([]),
    EVENTUALLY,
  );
  expect(migration.source.figures.postcopyRequests).toBeGreaterThan(0);
  migration.source.setParameters({ maxPostcopyBandwidth: 0 });
  const figures: MigrationFigures = await run;
  expect(figures).toMatchObject({ status: 'completed', confirmed: true, error: null, remainingBytes: 0 });
  expect(figures.downtimeMs).toBeGreaterThan(0);
  await vi.waitFor(() => expect(migration.outcome).toEqual({ kind: 'running' }), EVENTUALLY);
  expect(from.hashesAtStop).toEqual([ramHash(migration.to.memory)]);
  expect([...migration.statuses]).toEqual(['setup', 'active', 'device', 'postcopy-active', 'completed']);
  expect(migration.destination.figures).toMatchObject({ status: 'running', missingPages: 0, error: null });
});

test(
  'any interleaving of background pages, requests and losses ends with equal RAM',
  { timeout: 120_000 },
  async () => {
    const cut = fc.record({
      lane: fc.constantFrom<keyof Lanes<Tamper>>('main', 'urgent'),
      atBytes: fc.integer({ min: 0, max: 600_000 }),
      touches: fc.array(fc.nat(PAGES - 1), { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(cut, { maxLength: 4 }), async (cuts) => {
        const breaking = ({ lane, atBytes }: (typeof cuts)[number]): Partial<Lanes<Tamper>> => ({
          [lane]: (chunk: Uint8Array, at: number) =>
            migration.from.hashesAtStop.length > 0 && migration.to.started.length > 0 && at >= atBytes ? null : chunk,
        });
        const migration: Postcopy = new Postcopy(filledMachine(), { tamper: cuts[0] ? breaking(cuts[0]) : {} });
        migration.source.startPostcopy();
        const run = migration.source.run();
        for (const [index, { touches }] of cuts.entries()) {
          await vi.waitFor(() => expect(migration.to.started.length).toBe(1), EVENTUALLY);
          const touched = Promise.all(touches.map((page) => migration.touch(page)));
          const next = cuts[index + 1];
          migration.tamper = next ? breaking(next) : {};
          if (!(await migration.resume())) break; // it was all there before the cut
          expect(migration.from.running).toBe(false);
          void touched;
        }
        expect(await run).toMatchObject({ status: 'completed', confirmed: true });
        await vi.waitFor(() => expect(migration.outcome).toEqual({ kind: 'running' }), EVENTUALLY);
        expect(ramHash(migration.to.memory)).toBe(migration.from.hashesAtStop[0]);
        expect(migration.to.started).toEqual([false]);
      }),
      { numRuns: 12 },
    );
  },
);

test('the end of the second connection is no loss, though it be seen before the word that everything is there', async () => {
  const migration = new Postcopy(filledMachine(), { lagMs: 50 });
  migration.source.startPostcopy();
  expect(await migration.source.run()).toMatchObject({ status: 'completed', confirmed: true });
  expect([...migration.statuses]).not.toContain('postcopy-paused');
  await vi.waitFor(() => expect(migration.outcome).toEqual({ kind: 'running' }), EVENTUALLY);
});

test('a COMMIT that never arrived: the source that comes back proves that it let go', async () => {
  const migration = new Postcopy(filledMachine());
  const isLoaded = () => migration.destination.figures.status === 'loaded';
  migration.tamper = { main: (chunk) => (isLoaded() && chunk[12] === COMMIT ? null : chunk) };
  migration.source.startPostcopy();
  const run = migration.source.run();
  await vi.waitFor(() => expect(migration.source.figures.status).toBe('postcopy-paused'), EVENTUALLY);
  expect(migration.to.started).toEqual([]);
  expect(migration.source.cancel()).toBe(false);
  migration.tamper = {};
  expect(await migration.resume()).toBe(true);
  expect(await run).toMatchObject({ status: 'completed', confirmed: true });
  await vi.waitFor(() => expect(migration.outcome).toEqual({ kind: 'running' }), EVENTUALLY);
  expect(ramHash(migration.to.memory)).toBe(migration.from.hashesAtStop[0]);
});

test('the same while the connection seems to be there: told to pause, the destination lets the source come back', async () => {
  const migration = new Postcopy(filledMachine());
  let isSilent = false;
  migration.from.letGo = () => {
    isSilent = true;
  };
  migration.tamper = { main: (chunk) => (isSilent ? new Uint8Array(0) : chunk) };
  migration.source.startPostcopy();
  const run = migration.source.run();
  await vi.waitFor(() => expect(migration.source.figures.status).toBe('postcopy-active'), EVENTUALLY);
  expect(migration.destination.figures).toMatchObject({ status: 'loaded', isConnected: true });
  migration.tamper = {};
  migration.destination.pause();
  expect(await migration.resume()).toBe(true);
  expect(await run).toMatchObject({ status: 'completed', confirmed: true });
  await vi.waitFor(() => expect(migration.outcome).toEqual({ kind: 'running' }), EVENTUALLY);
  expect(ramHash(migration.to.memory)).toBe(migration.from.hashesAtStop[0]);
});

test('a pause that lasts too long is the end: lost at both sides, and the source does not go on', async () => {
  const migration = new Postcopy(filledMachine(), { recoverMs: 50, parameters: { maxPostcopyBandwidth: 1000 } });
  migration.source.startPostcopy();
  const run = migration.source.run();
  await vi.waitFor(() => expect(migration.source.figures.status).toBe('postcopy-active'), EVENTUALLY);
  migration.source.pause();
  expect(await run).toMatchObject({ status: 'failed', error: { code: 'destination_lost' } });
  await vi.waitFor(() => expect(migration.outcome).toMatchObject({ error: { code: 'source_lost' } }), EVENTUALLY);
  expect(migration.to.isLost).toBe(true);
  expect(migration.from.running).toBe(false);
});

test('a pause at the destination can be given up at once', async () => {
  const migration = new Postcopy(filledMachine(), { parameters: { maxPostcopyBandwidth: 1000 } });
  migration.source.startPostcopy();
  void migration.source.run();
  expect(() => migration.destination.giveUp()).toThrow('nothing to give up');
  await vi.waitFor(() => expect(migration.destination.figures.status).toBe('postcopy'), EVENTUALLY);
  migration.destination.pause();
  await vi.waitFor(() => expect(migration.destination.figures.status).toBe('postcopy_paused'), EVENTUALLY);
  await vi.waitFor(() => migration.destination.giveUp(), EVENTUALLY);
  await vi.waitFor(() => expect(migration.outcome).toMatchObject({ error: { code: 'source_lost' } }), EVENTUALLY);
});

test('a link that is stalled, and not cut, is given up after a while, and can be recovered', async () => {
  let isStalled = false;
  const migration = new Postcopy(filledMachine(), { parameters: { maxPostcopyBandwidth: 1000 } });
  migration.tamper = { urgent: (chunk) => (isStalled ? new Uint8Array(0) : chunk) };
  migration.source.startPostcopy();
  const run = migration.source.run();
  await vi.waitFor(() => expect(migration.destination.figures.status).toBe('postcopy'), EVENTUALLY);
  isStalled = true;
  const touched = migration.touch(PAGES - 2);
  await vi.waitFor(() => expect(migration.destination.figures.error).toMatchObject({ code: 'timeout' }), EVENTUALLY);
  isStalled = false;
  migration.source.setParameters({ maxPostcopyBandwidth: 0 });
  expect(await migration.resume()).toBe(true);
  await touched;
  expect(await run).toMatchObject({ status: 'completed' });
});

test('a guest that is lost before COMMIT goes on at the source, with nothing missing at the destination', async () => {
  const migration = new Postcopy(filledMachine());
  migration.to.restoreState = () => Promise.reject(new Error('hart state: version 9'));
  migration.source.startPostcopy();
  expect(await migration.source.run()).toMatchObject({ status: 'failed', error: { code: 'remote_machine' } });
  await vi.waitFor(() => expect(migration.outcome).toMatchObject({ kind: 'failed' }), EVENTUALLY);
  expect(migration.to.memory.isComplete).toBe(true);
  expect(migration.from.running).toBe(true);
});

test('the time in which all harts wait is counted, and no other', () => {
  const time = new OverlappedBlockTime();
  time.note(10, false);
  time.note(20, true);
  time.note(25, true);
  expect(time.at(30)).toBe(10);
  time.note(32, false);
  time.note(50, true);
  expect(time.at(51)).toBe(13);
});
