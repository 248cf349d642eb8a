import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide, measureBandwidth } from '../../libs/migration/precopy-rule.js';

const MIB = 2 ** 20;
const remainingBytes = fc.nat(2 ** 40);
const bytesPerMs = fc.double({ min: 1, max: 1e8, noNaN: true });
const downtimeLimitMs = fc.nat(60_000);

test('stops exactly when the rest fits the limit', () => {
  fc.assert(
    fc.property(remainingBytes, bytesPerMs, downtimeLimitMs, (remaining, bandwidth, limit) => {
      const decision = decide({ remainingBytes: remaining, bytesPerMs: bandwidth, downtimeLimitMs: limit });
      expect(decision.action).toBe(remaining / bandwidth <= limit ? 'stop' : 'iterate');
      expect(decision.expectedDowntimeMs).toBe(remaining / bandwidth);
      expect(decision.reason).toContain(`${remaining} bytes remain`);
    }),
  );
});

test('more bandwidth, a longer limit or less to send never turns a stop into another pass', () => {
  fc.assert(
    fc.property(remainingBytes, bytesPerMs, downtimeLimitMs, fc.nat(1000), (remaining, bandwidth, limit, more) => {
      const facts = { remainingBytes: remaining, bytesPerMs: bandwidth, downtimeLimitMs: limit };
      if (decide(facts).action === 'iterate') return;
      expect(decide({ ...facts, bytesPerMs: bandwidth + more }).action).toBe('stop');
      expect(decide({ ...facts, downtimeLimitMs: limit + more }).action).toBe('stop');
      expect(decide({ ...facts, remainingBytes: Math.max(0, remaining - more) }).action).toBe('stop');
    }),
  );
});

test('never stops before anything was measured', () => {
  const decision = decide({ remainingBytes: 0, bytesPerMs: null, downtimeLimitMs: 1000 });
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
