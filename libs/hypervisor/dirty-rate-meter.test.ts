import { expect, test } from 'vitest';
import { DirtyRateMeter } from './dirty-rate-meter.js';

const MIB_PAGES = 256;

test('nothing is known at the first reading; then what was written in the time between', () => {
  const meter = new DirtyRateMeter();
  expect(meter.note({ pages: 5000, atMs: 1000 })).toBeNull();
  expect(meter.note({ pages: 5000 + 8 * MIB_PAGES, atMs: 1250 })).toBe(32);
  expect(meter.note({ pages: 5000 + 8 * MIB_PAGES, atMs: 2250 })).toBe(0);
});

test('a reading right after another one, by whomever, repeats what that told, and nothing that was written is lost', () => {
  const meter = new DirtyRateMeter();
  meter.note({ pages: 0, atMs: 0 });
  expect(meter.note({ pages: 8 * MIB_PAGES, atMs: 250 })).toBe(32);
  // A heartbeat and a look at the migration at once: by itself this would be 4,000 MiB/s.
  expect(meter.note({ pages: 12 * MIB_PAGES, atMs: 251 })).toBe(32);
  expect(meter.note({ pages: 16 * MIB_PAGES, atMs: 500 })).toBe(32);
});
