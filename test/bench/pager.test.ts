import { expect, test } from 'vitest';
import { heartbeats } from './pager.js';

const beat = (sequence: number) => `pager seq=${sequence} time_ms=${sequence}000 written_mib=0 checked_pages=5\r\n`;

test('heartbeats are counted, firmware before them and a line that is not finished are not', () => {
  expect(heartbeats(`OpenSBI\r\n${beat(1)}${beat(2)}pager seq=3 time_`)).toBe(2);
  expect(heartbeats('')).toBe(0);
});

test('a heartbeat that is missing or comes twice is an error', () => {
  expect(() => heartbeats(beat(1) + beat(3))).toThrow('seq=2 was due');
  expect(() => heartbeats(beat(1) + beat(1))).toThrow('seq=2 was due');
});

test('a page that went wrong is an error', () => {
  expect(() => heartbeats(`${beat(1)}PAGER ERROR hart=0 page=512 kind=stale`)).toThrow('kind=stale');
});
