import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Audience, heartbeatIntervalMs } from './heartbeat-interval.js';

test.each([
  [3, 10_000, 1000],
  [100, 10_000, 1000],
  [101, 10_000, 2000],
  [1000, 10_000, 3000], // three of them before the host counts as lost
  [1000, 30_000, 10_000],
  [5000, 60_000, 20_000],
  [1000, 2000, 1000],
])('%i hosts that are lost after %i ms: one in %i ms', (hosts, hostTimeoutMs, expected) => {
  expect(heartbeatIntervalMs(hosts, hostTimeoutMs)).toBe(expected);
});

test('hosts are counted once each, while they are heard', () => {
  const hosts = fc.array(fc.record({ host: fc.nat(5), waitMs: fc.nat(4000) }), { minLength: 1 });
  fc.assert(
    fc.property(hosts, (beats) => {
      const audience = new Audience();
      const heard = new Map<number, number>();
      let nowMs = 0;
      for (const { host, waitMs } of beats) {
        nowMs += waitMs;
        heard.set(host, nowMs);
        const expected = [...heard.values()].filter((atMs) => nowMs - atMs <= 5000).length;
        expect(audience.hear(String(host), nowMs, 5000)).toBe(expected);
      }
    }),
  );
});
