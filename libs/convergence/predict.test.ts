import { expect, test } from 'vitest';
import { Means } from '#contracts';
import { policyOf } from './migration.fixture.js';
import { type GuestFigures, predict } from './index.js';

const MIB = 2 ** 20;
const guest = (change: Partial<GuestFigures>): GuestFigures => ({
  usedBytes: 1000 * MIB,
  totalBytes: 4000 * MIB,
  dirtyBytesPerMs: 0,
  bytesPerMs: 0.1 * MIB,
  vcpus: 2,
  downtimeLimitMs: 300,
  compressedShare: null,
  deltaShare: null,
  atHand: Means.options.map((means) => ({ means, inFlight: true })),
  ...change,
});
const policy = policyOf([{ means: 'throttle' }], { deadlineSeconds: 60 });

test('an idle guest takes as long as the memory that it uses', () => {
  expect(predict(guest({}), policy)).toMatchObject({ totalMs: 10_000, downtimeMs: 0, means: [] });
});

test('a guest that writes half of what is sent takes twice that, without help', () => {
  const { totalMs, downtimeMs, transferredBytes, means } = predict(guest({ dirtyBytesPerMs: 0.05 * MIB }), policy);
  expect(means).toEqual([]);
  expect(totalMs).toBeGreaterThan(19_000);
  expect(totalMs).toBeLessThan(20_500);
  expect(downtimeMs).toBeLessThanOrEqual(300);
  expect(transferredBytes! / MIB).toBeCloseTo(totalMs! / 10, 3);
});

test('a guest that writes twice of what is sent needs throttling; without it post-copy, without both it does not end', () => {
  const busy = guest({ dirtyBytesPerMs: 0.2 * MIB });
  expect(predict(busy, policy)).toMatchObject({
    means: [{ means: 'throttle' }],
    totalMs: expect.any(Number) as number,
  });
  const postcopy = policyOf([{ means: 'post_copy' }], { deadlineSeconds: 60 });
  expect(predict(busy, postcopy)).toMatchObject({ means: [{ means: 'post_copy' }], totalMs: 20_000 });
  const nothing = predict(busy, policyOf([], { deadlineSeconds: 60 }));
  expect(nothing).toMatchObject({ totalMs: null, downtimeMs: null, means: [] });
  expect(nothing.reason).toMatch(/would not end.*no allowed means is left/);
});
