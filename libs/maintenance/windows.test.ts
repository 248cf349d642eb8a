import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextWindow, openWindow, windowFault, windowsBetween } from './index.js';

const at = (text: string) => Date.parse(text);
const window = (cron: string, durationMinutes = 60, timeZone = 'UTC') => ({ cron, durationMinutes, timeZone });

describe('windows', () => {
  test('are open from the time that cron names, for as long as they last', () => {
    const nightly = [window('0 2 * * *', 90)];
    expect(openWindow(nightly, at('2026-11-21T01:59:59Z'))).toBeNull();
    const open = { startsMs: at('2026-11-21T02:00:00Z'), endsMs: at('2026-11-21T03:30:00Z') };
    expect(openWindow(nightly, open.startsMs)).toEqual(open);
    expect(openWindow(nightly, open.endsMs - 1)).toEqual(open);
    expect(openWindow(nightly, open.endsMs)).toBeNull();
    expect(nextWindow(nightly, open.endsMs)?.startsMs).toBe(at('2026-11-22T02:00:00Z'));
  });

  test('are reckoned in their time zone, also where clocks are changed', () => {
    const berlin = [window('30 2 * * *', 30, 'Europe/Berlin')];
    expect(nextWindow(berlin, at('2026-07-01T12:00:00Z'))?.startsMs).toBe(at('2026-07-02T00:30:00Z'));
    expect(nextWindow(berlin, at('2026-12-01T12:00:00Z'))?.startsMs).toBe(at('2026-12-02T01:30:00Z'));
    const march = windowsBetween(berlin, at('2026-03-28T12:00:00Z'), at('2026-03-30T12:00:00Z'));
    expect(march.filter(({ startsMs }) => startsMs < at('2026-03-30T00:00:00Z'))).toHaveLength(1);
    const october = windowsBetween(berlin, at('2026-10-24T12:00:00Z'), at('2026-10-25T12:00:00Z'));
    expect(october).toHaveLength(1);
  });

  test('that overlap: the one that closes last counts', () => {
    const both = [window('0 2 * * *', 60), window('30 2 * * *', 240)];
    expect(openWindow(both, at('2026-11-21T02:45:00Z'))?.endsMs).toBe(at('2026-11-21T06:30:00Z'));
    expect(windowsBetween(both, at('2026-11-21T02:45:00Z'), at('2026-11-21T02:50:00Z'))).toHaveLength(2);
  });

  test.each([
    [window('0 2 * *'), 'cron', /such as "0 2 \* \* 6"/],
    [window('61 2 * * *'), 'cron', /minute, hour/],
    [window('0 2 30 2 *'), 'cron', /never comes/],
    [window('0 2 * * *', 60, 'Europe/Atlantis'), 'timeZone', /Europe\/Berlin or UTC/],
  ])('that cannot be are refused by field: %j', (wrong, field, message) => {
    expect(windowFault(wrong)).toEqual({ field, message: expect.stringMatching(message) });
  });

  test('a good one has no fault, opens, and is open exactly between its times', () => {
    const crons = fc.tuple(
      fc.integer({ min: 0, max: 59 }),
      fc.integer({ min: 0, max: 23 }),
      fc.integer({ min: 0, max: 6 }),
    );
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Auckland');
    const moments = fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2028-01-01T00:00:00Z') });
    fc.assert(
      fc.property(
        crons,
        zones,
        moments,
        fc.integer({ min: 1, max: 600 }),
        ([minute, hour, day], timeZone, now, length) => {
          const weekly = window(`${minute} ${hour} * * ${day}`, length, timeZone);
          expect(windowFault(weekly)).toBeNull();
          const next = nextWindow([weekly], now)!;
          expect(next.endsMs).toBeGreaterThan(now);
          expect(openWindow([weekly], next.startsMs)).toEqual(next);
          expect(openWindow([weekly], next.endsMs)).toBeNull();
          expect(openWindow([weekly], now) !== null).toBe(next.startsMs <= now);
        },
      ),
      { numRuns: 60 },
    );
  });
});
