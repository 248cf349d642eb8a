import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Sharer, shareLinks } from './index.js';

const move = (id: string, change: Partial<Sharer> = {}): Sharer => ({
  ...{ id, sourceHostId: 'a', destinationHostId: 'b', sharePercent: 50, limitMiBps: null },
  ...change,
});
const shares = (migrations: readonly Sharer[], links: Readonly<Record<string, number>>) =>
  Object.fromEntries(
    shareLinks(migrations, new Map(Object.entries(links))).map((each) => [each.migrationId, each.bandwidthMiBps]),
  );

test('half of a link for one, a quarter for each of two; the slower end decides, and a limit of its own counts', () => {
  expect(shares([move('1')], { a: 100 })).toEqual({ 1: 50 });
  expect(shares([move('1'), move('2', { destinationHostId: 'c' })], { a: 100, c: 1000 })).toEqual({ 1: 25, 2: 25 });
  expect(shares([move('1'), move('2', { sourceHostId: 'c' })], { a: 1000, b: 100 })).toEqual({ 1: 25, 2: 25 });
  expect(shares([move('1', { limitMiBps: 10 })], { a: 100 })).toEqual({ 1: 10 });
});

test('where no link is known there is nothing to share; whoever shares nothing is told nothing', () => {
  expect(shares([move('1'), move('2', { limitMiBps: 7 })], {})).toEqual({ 1: null, 2: 7 });
  expect(shares([move('1', { sharePercent: null })], { a: 100 })).toEqual({});
});

test('together they never take more of a link than the largest of their shares', () => {
  const host = fc.constantFrom('a', 'b', 'c');
  const migration = fc.record({
    sourceHostId: host,
    destinationHostId: host,
    sharePercent: fc.integer({ min: 1, max: 100 }),
  });
  fc.assert(
    fc.property(
      fc.array(migration, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 2000, max: 9000 }),
      (given, link) => {
        const all = given.map((each, index) => move(String(index), each));
        const got = shares(all, { a: link, b: link, c: link });
        for (const at of ['a', 'b', 'c']) {
          const here = all.filter((each) => [each.sourceHostId, each.destinationHostId].includes(at));
          const sum = here.reduce((total, { id }) => total + got[id]!, 0);
          const most = Math.max(0, ...here.map(({ sharePercent }) => sharePercent!));
          expect(sum).toBeLessThanOrEqual((link * most) / 100 + 1e-6);
        }
      },
    ),
  );
});
