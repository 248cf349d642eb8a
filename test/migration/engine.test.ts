/** Pre-copy from end to end over a connection in memory, while a thread writes to the source's RAM. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { IncomingMigration, PrecopySource } from '#migration';
import { connect, endMachines, EVENTUALLY, expectGuestRuns, writingMachine } from './connect.js';
import { ReceivingMachine, codecOf, ramHash, realClock } from './support.js';

afterEach(endMachines);

test('a writing guest arrives exactly as it was at the stop', async () => {
  const from = await writingMachine(64, 4000, 1);
  const to = new ReceivingMachine(64);
  const { source, destination, far, seen } = connect(from, to);
  const [figures, outcome] = await Promise.all([source.run(), destination.receive(far)]);

  expect(outcome).toEqual({ kind: 'running' });
  expect(figures).toMatchObject({ status: 'completed', confirmed: true, error: null, remainingBytes: 0, epoch: 8 });
  expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
  expect(new TextDecoder().decode(to.state!)).toBe('state of the board');
  expect(to.started).toEqual([true]);
  expect(from.running).toBe(false);
  expect(destination.figures).toMatchObject({ status: 'running', epoch: 8, pages: figures.pages });
  expect([...new Set(seen.map(({ status }) => status))]).toEqual(['setup', 'active', 'device', 'completed']);

  const first = figures.iterations[0]!;
  expect(first).toMatchObject({ iteration: 1, pages: 64 * 256 });
  expect(first.zeroPages).toBeGreaterThan(10_000);
  const { destination: there, ...laps } = figures.downtimeBreakdown!;
  expect(Object.values(laps).reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(figures.downtimeMs!, 6);
  expect(there.loadMs).toBeLessThanOrEqual(laps.loadMs);
});

test('a guest that was paused arrives paused', async () => {
  const from = await writingMachine(16, 100, 1);
  await from.stop();
  const to = new ReceivingMachine(16);
  const { source, destination, far } = connect(from, to);
  await Promise.all([source.run(), destination.receive(far)]);
  expect(to.started).toEqual([false]);
  expect(ramHash(to.memory)).toBe(from.hashesAtStop[1]);
});

test('a guest that writes too fast for the limit is copied on and on, until the limit is raised', async () => {
  const from = await writingMachine(32, 6000, 0);
  const to = new ReceivingMachine(32);
  const { source, destination, far } = connect(from, to, { maxBandwidth: 32 * 2 ** 20, downtimeLimitMs: 1 });
  const both = Promise.all([source.run(), destination.receive(far)]);
  await vi.waitFor(() => expect(source.figures.iterations.length).toBeGreaterThan(2), EVENTUALLY);
  expect(source.figures).toMatchObject({ status: 'active' });
  expect(source.figures.iterations.at(-1)!.expectedDowntimeMs).toBeGreaterThan(1);
  await expectGuestRuns(from);

  source.setParameters({ maxBandwidth: 0, downtimeLimitMs: 5000 });
  const [figures] = await both;
  expect(figures.status).toBe('completed');
  expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
});

test('cancelled while connecting, the guest goes on', async () => {
  const from = await writingMachine(32, 6000, 0);
  const { source } = connect(from, new ReceivingMachine(32));
  const run = source.run();
  expect(source.cancel()).toBe(true);
  expect(await run).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
  await expectGuestRuns(from);
});

const MIB = 2 ** 20;
const isSending = (source: PrecopySource) => source.figures.transferredBytes > MIB;
const isIterating = (source: PrecopySource) => source.figures.iterations.length > 1;

test.each([
  { when: 'in the first pass', bandwidth: MIB, reached: isSending, blocks: false, seenAs: 'remote_cancelled' },
  {
    when: 'with a blocked connection',
    bandwidth: 64 * MIB,
    reached: isSending,
    blocks: true,
    seenAs: 'connection_lost',
  },
  { when: 'while iterating', bandwidth: 64 * MIB, reached: isIterating, blocks: false, seenAs: 'remote_cancelled' },
])('cancelled $when, the guest goes on', async ({ bandwidth, reached, blocks, seenAs }) => {
  const from = await writingMachine(32, 6000, 0);
  const to = new ReceivingMachine(32);
  const { source, destination, near, far } = connect(from, to, { maxBandwidth: bandwidth, downtimeLimitMs: 1 });
  const both = Promise.all([source.run(), destination.receive(far)]);
  await vi.waitFor(() => expect(reached(source)).toBe(true), EVENTUALLY);
  near.isBlocked = blocks;
  await sleep(50);
  expect(source.cancel()).toBe(true);
  expect(source.cancel()).toBe(true);
  const [figures, outcome] = await both;
  expect(figures).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
  expect(outcome).toMatchObject({ kind: 'failed', error: { code: seenAs } });
  expect(source.cancel()).toBe(false);
  expect(ramHash(to.memory)).toBe(ramHash(new ReceivingMachine(32).memory));
  expect(to.started).toEqual([]);
  await expectGuestRuns(from);
});

test('cancelled after the stop and before COMMIT, the guest goes on, and can be moved later', async () => {
  const from = await writingMachine(16, 500, 1);
  const to = new ReceivingMachine(16);
  const { source, destination, far } = connect(from, to);
  to.restoreState = async () => {
    source.cancel();
  };
  const [figures, outcome] = await Promise.all([source.run(), destination.receive(far)]);
  expect(figures.status).toBe('cancelled');
  expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'remote_cancelled' } });
  expect(to.started).toEqual([]);
  await expectGuestRuns(from);

  const next = new ReceivingMachine(16);
  const again = connect(from, next);
  const [second] = await Promise.all([again.source.run(), again.destination.receive(again.far)]);
  expect(second.status).toBe('completed');
  expect(from.hashesAtStop[1]).toBe(ramHash(next.memory));
});

test('a destination that cannot take the state over says why, and the guest goes on at the source', async () => {
  const from = await writingMachine(16, 500, 1);
  const to = new ReceivingMachine(16);
  const { source, destination, far } = connect(from, to);
  to.restoreState = () => Promise.reject(new Error('hart state: version 9'));
  const [figures] = await Promise.all([source.run(), destination.receive(far)]);
  expect(figures).toMatchObject({
    status: 'failed',
    error: { code: 'remote_machine', message: 'the destination says: hart state: version 9' },
  });
  await expectGuestRuns(from);
});

test('lost before COMMIT: the source goes on, the destination stays loaded and stopped until it is told', async () => {
  const from = await writingMachine(16, 500, 1);
  const to = new ReceivingMachine(16);
  const { source, destination, far, near } = connect(from, to);
  far.tamper = (chunk) => (destination.figures.status === 'loaded' ? null : chunk); // LOADED never arrives
  const receive = destination.receive(far);
  expect(() => destination.finish()).toThrow('nothing to finish');
  expect(await source.run()).toMatchObject({ status: 'failed', error: { code: 'connection_lost' } });
  await vi.waitFor(
    () => expect(destination.figures).toMatchObject({ status: 'loaded', isConnected: false }),
    EVENTUALLY,
  );
  expect(near.isClosed).toBe(true);
  expect(to.started).toEqual([]);
  await expectGuestRuns(from);

  destination.finish(); // as an agent would that knows the source to be dead
  expect(await receive).toEqual({ kind: 'running' });
  expect(() => destination.finish()).not.toThrow();
  expect(to.started).toEqual([true]);
});

test('COMMIT that does not come, though the connection seems to be there: told to finish, the destination does', async () => {
  const from = await writingMachine(16, 500, 1);
  const to = new ReceivingMachine(16);
  const { source, destination, far, near } = connect(from, to, { answerMs: 1000 });
  from.letGo = () => {
    near.isBlocked = true;
  };
  const both = Promise.all([source.run(), destination.receive(far)]);
  await vi.waitFor(() => expect(near.isBlocked).toBe(true), EVENTUALLY);
  expect(destination.figures).toMatchObject({ status: 'loaded', isConnected: true });
  destination.finish();
  destination.finish();
  const [figures, outcome] = await both;
  expect(figures).toMatchObject({ status: 'completed', confirmed: false });
  expect(outcome).toEqual({ kind: 'running' });
  expect(to.started).toEqual([true]);
  expect(ramHash(to.memory)).toBe(from.hashesAtStop[0]);
});

test('lost after COMMIT: the source never goes on, and says that it does not know', async () => {
  const from = await writingMachine(16, 500, 1);
  const to = new ReceivingMachine(16);
  const { source, destination, far } = connect(from, to);
  const start = to.start.bind(to);
  to.start = async (running) => {
    await start(running);
    far.end(new Error('cut'));
  };
  const [figures, outcome] = await Promise.all([source.run(), destination.receive(far)]);
  expect(outcome).toEqual({ kind: 'running' });
  expect(figures).toMatchObject({ status: 'completed', confirmed: false, downtimeMs: null });
  expect(source.cancel()).toBe(false);
  expect(from.running).toBe(false);
  expect(to.started).toEqual([true]);
});

test.each([
  ['an epoch that is not newer', 8, 16, 1, 'stale_epoch', 'epoch 8 is known here already'],
  ['other RAM', 7, 32, 1, 'config', 'ramBytes is 16777216 at the source and 33554432 here'],
  ['other harts', 7, 16, 2, 'config', 'harts is 1 at the source and 2 here'],
])('refuses %s', async (_, epoch, ramMiB, harts, code, text) => {
  const from = await writingMachine(16, 100, 1);
  const to = new ReceivingMachine(ramMiB, harts);
  const { source, far } = connect(from, to);
  const options = { machine: to, codec: codecOf(to.memory), clock: realClock, epoch, onChange: () => undefined };
  const destination = new IncomingMigration(options);
  const [figures, outcome] = await Promise.all([source.run(), destination.receive(far)]);
  expect(outcome).toMatchObject({ kind: 'failed', error: { code } });
  expect(figures).toMatchObject({ status: 'failed', error: { code: `remote_${code}` } });
  expect(figures.error!.message).toContain(text);
  await expectGuestRuns(from);
});

test('no connection: a clear error', async () => {
  const from = await writingMachine(16, 100, 1);
  const source = new PrecopySource({
    migrationId: 'm-1',
    epoch: 1,
    parameters: {},
    machine: from,
    codec: codecOf(from.memory),
    clock: realClock,
    connect: () => Promise.reject(new Error('connect ECONNREFUSED 127.0.0.1:9')),
    onChange: () => undefined,
  });
  expect(await source.run()).toMatchObject({
    status: 'failed',
    error: { code: 'connect', message: 'connect ECONNREFUSED 127.0.0.1:9' },
  });
});
