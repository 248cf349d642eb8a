import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { BandwidthLimiter } from '../../libs/migration/limiter.js';

/** A clock that moves when somebody sleeps. */
function fakeClock() {
  let nowMs = 0;
  return {
    now: () => nowMs,
    sleep: async (ms: number, signal: AbortSignal) => {
      signal.throwIfAborted();
      nowMs += ms;
    },
    breathe: async () => undefined,
  };
}
const { signal: never } = new AbortController();

test('keeps the average at the limit, whatever the sizes, but for one burst and one batch', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 2_000_000 }), { minLength: 1, maxLength: 50 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 1000, max: 100_000_000 }), async (batches, bytesPerSecond) => {
      const clock = fakeClock();
      const limiter = new BandwidthLimiter(clock, bytesPerSecond);
      let sent = 0;
      for (const bytes of batches) {
        await limiter.ready(never);
        limiter.spend(bytes);
        sent += bytes;
        const allowed = (bytesPerSecond * (clock.now() + 100)) / 1000 + Math.max(...batches);
        expect(sent).toBeLessThanOrEqual(allowed + 1);
      }
      expect(sent).toBeGreaterThanOrEqual((bytesPerSecond * (clock.now() - 1)) / 1000);
    }),
    { numRuns: 50 },
  );
});

test('no limit: never waits', async () => {
  const clock = fakeClock();
  const limiter = new BandwidthLimiter(clock, 0);
  for (let i = 0; i < 1000; i++) {
    await limiter.ready(never);
    limiter.spend(1e9);
  }
  expect(clock.now()).toBe(0);
});

test('lifting the limit ends the wait that it caused', async () => {
  const clock = fakeClock();
  const limiter = new BandwidthLimiter(clock, 1);
  limiter.spend(1_000_000); // eleven days at one byte a second
  const sleep = clock.sleep.bind(clock);
  clock.sleep = async (ms, signal) => {
    await sleep(ms, signal);
    if (clock.now() >= 200) limiter.setRate(0);
  };
  await limiter.ready(never);
  expect(clock.now()).toBeLessThan(300);
});

test('gives up when told', async () => {
  const limiter = new BandwidthLimiter(fakeClock(), 1);
  limiter.spend(1000);
  await expect(limiter.ready(AbortSignal.abort(new Error('cancelled')))).rejects.toThrow('cancelled');
});
