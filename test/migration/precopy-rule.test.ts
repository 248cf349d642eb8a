import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide, measureBandwidth, pageCost } from '../../libs/migration/precopy-rule.js';

const MIB = 2 ** 20;
const remainingBytes = fc.nat(2 ** 40);
const bytesPerMs = fc.double({ min: 1, max: 1e8, noNaN: true });
const downtimeLimitMs = fc.nat(60_000);

const facts = fc.record({
  remainingBytes,
  remainedBytes: remainingBytes,
  bytesPerMs,
  downtimeLimitMs,
  extraPasses: fc.nat(5),
});

test('goes on while the rest does not fit, and stops in the end when it does', () => {
  fc.assert(
    fc.property(facts, (known) => {
      const { action, expectedDowntimeMs, reason } = decide(known);
      expect(expectedDowntimeMs).toBe(known.remainingBytes / known.bytesPerMs);
      expect(reason).toContain(`${known.remainingBytes} bytes remain`);
      if (expectedDowntimeMs! > known.downtimeLimitMs) expect(action).toBe('iterate');
      else expect(decide({ ...known, extraPasses: 5 }).action).toBe('stop');
    }),
  );
});

test.each([
  ['shrinks fast: once more', 50, 100, 0, 'iterate'],
  ['shrinks slowly: the pause would not get much shorter', 80, 100, 0, 'stop'],
  ['grows', 100, 50, 0, 'stop'],
  ['is so little that nobody would notice the difference', 4, 100, 0, 'stop'],
  ['shrinks fast, but this has been going on for long', 50, 100, 5, 'stop'],
])('the rest fits and %s', (_, remaining, remained, extraPasses, action) => {
  const known = { remainingBytes: remaining * 1000, remainedBytes: remained * 1000, bytesPerMs: 1000 };
  expect(decide({ ...known, downtimeLimitMs: 300, extraPasses }).action).toBe(action);
});

test('a page costs what pages took in the last pass, at most a page', () => {
  expect(pageCost({ pages: 10, zeroPages: 0, bytes: 10 * 4100 })).toBe(4096);
  expect(pageCost({ pages: 10, zeroPages: 5, bytes: 5 * 100 })).toBe(100);
  expect(pageCost({ pages: 3, zeroPages: 3, bytes: 20 })).toBe(4096);
});

test('never stops before anything was measured', () => {
  const decision = decide({
    remainingBytes: 0,
    remainedBytes: 0,
    bytesPerMs: null,
    downtimeLimitMs: 1000,
    extraPasses: 0,
  });
  expect(decision).toMatchObject({ action: 'iterate', expectedDowntimeMs: null });
});

test('the bandwidth comes from the latest passes that moved enough together', () => {
  expect(measureBandwidth([])).toBeNull();
  expect(measureBandwidth([{ bytes: 100, durationMs: 0 }])).toBeNull();
  expect(measureBandwidth([{ bytes: 8 * MIB, durationMs: 8 }])).toBe(MIB);
  const slowThenFast = [
    { bytes: 100 * MIB, durationMs: 1000 },
    { bytes: 10 * MIB, durationMs: 10 },
  ];
  expect(measureBandwidth(slowThenFast)).toBe(MIB);
  const tinyLast = [...slowThenFast, { bytes: 4096, durationMs: 1 }];
  expect(measureBandwidth(tinyLast)).toBeCloseTo((10 * MIB + 4096) / 11);
});
