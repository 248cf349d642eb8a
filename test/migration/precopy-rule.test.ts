import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide, measureBandwidth, pageCost } from '../../libs/migration/precopy-rule.js';

const MIB = 2 ** 20;
const remainingBytes = fc.nat(2 ** 40);
const bytesPerMs = fc.double({ min: 1, max: 1e8, noNaN: true });
const downtimeLimitMs = fc.nat(60_000);

const facts = fc.record({
  remainingBytes,
  passMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  bytesPerMs,
  downtimeLimitMs,
  isFirst: fc.boolean(),
  extraPasses: fc.nat(12),
});

test('goes on while the rest does not fit, and stops in the end when it does', () => {
  fc.assert(
    fc.property(facts, (known) => {
      const { action, expectedDowntimeMs, reason } = decide(known);
      expect(expectedDowntimeMs).toBe(known.remainingBytes / known.bytesPerMs);
      expect(reason).toContain(`${known.remainingBytes} bytes remain`);
      if (expectedDowntimeMs! > known.downtimeLimitMs) expect(action).toBe('iterate');
      else expect(decide({ ...known, isFirst: false, extraPasses: 12 }).action).toBe('stop');
    }),
  );
});

test.each([
  ['a pass over it is much shorter than the last: once more', 20, 400, 0, 'iterate'],
  ['a pass over it takes as long as the last: the pause would not get shorter', 80, 100, 0, 'stop'],
  ['is so little that nobody would notice the difference', 1, 100, 0, 'stop'],
  ['a pass over it is much shorter, but this has been going on for long', 20, 400, 12, 'stop'],
])('the rest fits and %s', (_, remainingMs, passMs, extraPasses, action) => {
  const known = { remainingBytes: remainingMs * 1000, passMs, bytesPerMs: 1000 };
  expect(decide({ ...known, downtimeLimitMs: 300, isFirst: false, extraPasses }).action).toBe(action);
});

test.each([
  ['long: it was slow for the destination, and a second may leave less', 80, 'iterate'],
  ['short: there is little to win', 20, 'stop'],
])('after the first pass the rest fits, and its pause would be %s', (_, remainingMs, action) => {
  const known = { remainingBytes: remainingMs * 1000, passMs: remainingMs, bytesPerMs: 1000 };
  expect(decide({ ...known, downtimeLimitMs: 300, isFirst: true, extraPasses: 0 }).action).toBe(action);
});

test('of a guest that writes steadily the pause is short, and further passes take no longer than three first ones', () => {
  const guest = fc.record({
    firstPassMs: fc.double({ min: 10, max: 60_000, noNaN: true }),
    bytesPerMs: fc.double({ min: 1e3, max: 1e7, noNaN: true }),
    /** Of the bandwidth; above it, pre-copy does not end. */
    writes: fc.double({ min: 0, max: 0.99, noNaN: true }),
    hotBytes: fc.double({ min: 0, max: 1e10, noNaN: true }),
    downtimeLimitMs: fc.integer({ min: 1, max: 10_000 }),
  });
  fc.assert(
    fc.property(guest, ({ firstPassMs, writes, hotBytes, ...link }) => {
      let passMs = firstPassMs;
      let extraMs = 0;
      let isFirst = true;
      for (let extraPasses = 0; ; isFirst = false) {
        const written = Math.min(hotBytes, writes * link.bytesPerMs * passMs);
        const { action, expectedDowntimeMs } = decide({
          ...link,
          remainingBytes: written,
          passMs,
          isFirst,
          extraPasses,
        });
        const pauseMs = expectedDowntimeMs!;
        if (action === 'stop') {
          const isSteady = pauseMs > (passMs * 2) / 3; // another pass would leave about as much
          if (!isSteady && extraPasses < 12) expect(pauseMs).toBeLessThanOrEqual(1);
          break;
        }
        if (pauseMs <= link.downtimeLimitMs) {
          extraPasses += 1;
          extraMs += pauseMs;
        }
        passMs = pauseMs;
      }
      expect(extraMs).toBeLessThanOrEqual(3.001 * firstPassMs);
    }),
  );
});

test('a page costs what pages took in the last pass, at most a page', () => {
  expect(pageCost({ pages: 10, zeroPages: 0, bytes: 10 * 4100 })).toBe(4096);
  expect(pageCost({ pages: 10, zeroPages: 5, bytes: 5 * 100 })).toBe(100);
  expect(pageCost({ pages: 3, zeroPages: 3, bytes: 20 })).toBe(4096);
});

test('never stops before anything was measured', () => {
  const decision = decide({
    remainingBytes: 0,
    passMs: 100,
    bytesPerMs: null,
    downtimeLimitMs: 1000,
    isFirst: true,
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
