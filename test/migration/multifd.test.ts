/** Pages on several connections: in whatever order they deliver, with other means, and when one of them is lost. */
import { afterEach, expect, test, vi } from 'vitest';
import { MigrationError } from '#migration';
import { connect, endMachines, EVENTUALLY, expectGuestRuns, writingMachine } from './connect.js';
import { ramHash, ReceivingMachine } from './support.js';

const MIB = 2 ** 20;
const LZ4 = { method: 'lz4', level: 1, threads: 2 } as const;

afterEach(endMachines);

test.each([
  ['alone', 1, {}],
  ['alone', 3, {}],
  ['with XBZRLE', 2, { xbzrleCacheBytes: 8 * MIB }],
  ['with compression and XBZRLE', 8, { compression: LZ4, xbzrleCacheBytes: 8 * MIB }],
])('a writing guest arrives exactly: %s, on %i connections', async (_, channels, means) => {
  const from = await writingMachine(16, 2000, 0);
  const to = new ReceivingMachine(16);
  const { source, destination, far } = connect(from, to, { downtimeLimitMs: 0, ...means }, channels);
  const both = Promise.all([source.run(), destination.receive(far)]);
  await vi.waitFor(() => expect(source.figures.iterations.length).toBeGreaterThan(3), EVENTUALLY);
  source.setParameters({ downtimeLimitMs: 5000 });
  const [figures, outcome] = await both;
  expect(outcome).toEqual({ kind: 'running' });
  expect(figures).toMatchObject({ status: 'completed', error: null });
  expect(figures.multifdBytes).toBeGreaterThan(figures.transferredBytes / 2);
  expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
});

test('a connection that lags holds up the pass, and no page is older in the end', async () => {
  const from = await writingMachine(16, 2000, 0);
  const to = new ReceivingMachine(16);
  const { source, destination, far, others } = connect(from, to, { downtimeLimitMs: 0 }, 3);
  const both = Promise.all([source.run(), destination.receive(far)]);
  await vi.waitFor(() => expect(source.figures.iterations.length).toBeGreaterThan(0), EVENTUALLY);
  for (let lags = 0; lags < 3; lags++) {
    others[lags]!.isBlocked = true;
    const { iteration } = source.figures.iterations.at(-1)!;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(source.figures.iterations.at(-1)!.iteration).toBeLessThanOrEqual(iteration + 1);
    others[lags]!.isBlocked = false;
    void others[lags]!.deliver();
  }
  source.setParameters({ downtimeLimitMs: 5000 });
  const [figures] = await both;
  expect(figures.status).toBe('completed');
  expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
});

test.each(['lost', 'cancelled'])(
  '%s in mid-flight: both sides give up all connections, the guest goes on',
  async (how) => {
    const from = await writingMachine(16, 2000, 0);
    const to = new ReceivingMachine(16);
    const { source, destination, far, near, others } = connect(from, to, { downtimeLimitMs: 0 }, 2);
    const both = Promise.all([source.run(), destination.receive(far)]);
    await vi.waitFor(() => expect(source.figures.iterations.length).toBeGreaterThan(1), EVENTUALLY);
    if (how === 'lost') others[1]!.end(new Error('cut'));
    else source.cancel();
    const [figures, outcome] = await both;
    expect(figures.status).toBe(how === 'lost' ? 'failed' : 'cancelled');
    expect(outcome).toMatchObject({ kind: 'failed', error: expect.any(MigrationError) });
    expect([near, ...others].map(({ isClosed }) => isClosed)).toEqual([true, true, true]);
    expect(ramHash(to.memory)).toBe(ramHash(new ReceivingMachine(16).memory));
    await expectGuestRuns(from);
  },
);
