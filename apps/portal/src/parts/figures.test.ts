import { expect, test } from 'vitest';
import { bytes, cores, duration, mebibytes, percentOf, relative, remainingMs } from './figures.js';

test('sizes carry binary units and at most three digits', () => {
  expect([bytes(0), bytes(2048), bytes(3 * 2 ** 20), mebibytes(512), mebibytes(1536), mebibytes(12.34)]).toEqual([
    '0 B',
    '2 KiB',
    '3 MiB',
    '512 MiB',
    '1.50 GiB',
    '12.3 MiB',
  ]);
});

test('durations go from milliseconds to hours', () => {
  expect([0.8, 84, 3200, 65_000, 600_000, 7_320_000].map(duration)).toEqual([
    '0.8 ms',
    '84 ms',
    '3.2 s',
    '1 min 5 s',
    '10 min',
    '2 h 2 min',
  ]);
});

test('times are told relative to now, also those to come', () => {
  const now = 1_000_000_000;
  expect(relative(now, now)).toBe('just now');
  expect(relative(now - 12_000, now)).toBe('12 s ago');
  expect(relative(now + 90_000, now)).toBe('in 1 min');
});

test('a migration whose guest writes faster than the link has no end to tell', () => {
  expect(remainingMs(100 * 2 ** 20, 60, 10)).toBe(2000);
  expect(remainingMs(100 * 2 ** 20, 10, 60)).toBeNull();
});

test('shares stay between 0 and 100, without capacity 0', () => {
  expect([percentOf(3, 2), percentOf(1, 2), percentOf(1, 0)]).toEqual([100, 50, 0]);
  expect([cores(1), cores(0.426), cores(10)]).toEqual(['1', '0.43', '10']);
});
