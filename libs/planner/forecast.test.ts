import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LoadSlot, forecastLoad, SLOT_MS } from './index.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const NOW = 100 * DAY_MS + 8 * HOUR_MS; // eight in the morning

/** Slots of the time from `fromMs` until now. */
const past = (fromMs: number, coresAt: (timeMs: number) => number): LoadSlot[] =>
  Array.from({ length: Math.floor((NOW - fromMs) / SLOT_MS) }, (_, index) => {
    const startMs = fromMs + index * SLOT_MS;
    return { startMs, cores: coresAt(startMs) };
  });

/** Two cores by night, ten from half past eight until six. */
const office = (timeMs: number) => {
  const hour = (timeMs % DAY_MS) / HOUR_MS;
  return hour >= 8.5 && hour < 18 ? 10 : 2;
};

describe('a forecast', () => {
  test('of a steady load is that load', () => {
    const { cores, reason } = forecastLoad(
      past(NOW - DAY_MS, () => 3),
      3,
      30 * MINUTE_MS,
      NOW,
    );
    expect([cores, reason]).toEqual([3, 'load is expected to stay at 3.0 cores']);
    expect(forecastLoad([], 3, 30 * MINUTE_MS, NOW).cores).toBe(3);
  });

  test('follows the trend of the last hour, which a single peak does not turn', () => {
    const rising = (timeMs: number) => 2 + (timeMs - (NOW - HOUR_MS)) / HOUR_MS; // a core an hour
    const { cores, reason } = forecastLoad(past(NOW - HOUR_MS, rising), 3, 30 * MINUTE_MS, NOW);
    expect(cores).toBeCloseTo(3.5, 6);
    expect(reason).toBe('load has been rising, by 0.5 cores in 30 min');
    const withPeak = past(NOW - HOUR_MS, () => 2).map((slot, index) => (index === 9 ? { ...slot, cores: 9 } : slot));
    expect(forecastLoad(withPeak, 2, 30 * MINUTE_MS, NOW).cores).toBe(2);
  });

  test('knows the time of day, before anything rises', () => {
    const days = past(NOW - 5 * DAY_MS, office);
    const { cores, reason } = forecastLoad(days, 2, 35 * MINUTE_MS, NOW);
    expect([cores, reason]).toEqual([10, 'at this time of day load rises by up to 8.0 cores within 35 min (5 days)']);
    expect(forecastLoad(days, 2, 10 * MINUTE_MS, NOW).cores).toBe(2); // not yet within the horizon
    expect(forecastLoad(past(NOW - DAY_MS, office), 2, 35 * MINUTE_MS, NOW).cores).toBe(2); // one day is no habit
  });

  test('falls with no load: what falls is not reckoned with before it has fallen', () => {
    const falling = (timeMs: number) => 8 - (timeMs - (NOW - HOUR_MS)) / HOUR_MS;
    expect(forecastLoad(past(NOW - HOUR_MS, falling), 7, HOUR_MS, NOW).cores).toBe(7);
  });

  test('is never below the present, and grows with its horizon', () => {
    const slots = fc.array(
      fc.record({ ago: fc.integer({ min: 1, max: 5000 }), cores: fc.double({ min: 0, max: 500, noNaN: true }) }),
      { maxLength: 200 },
    );
    const minutes = fc.integer({ min: 1, max: 600 });
    fc.assert(
      fc.property(slots, fc.double({ min: 0, max: 500, noNaN: true }), minutes, minutes, (list, now, a, b) => {
        const at = Math.floor(NOW / SLOT_MS) * SLOT_MS;
        const known = [
          ...new Map(list.map(({ ago, cores }) => [ago, { startMs: at - ago * SLOT_MS, cores }])).values(),
        ];
        const [short, long] = [Math.min(a, b), Math.max(a, b)].map(
          (horizon) => forecastLoad(known, now, horizon * MINUTE_MS, NOW).cores,
        ) as [number, number];
        return now <= short && short <= long + 1e-9;
      }),
    );
  });
});
