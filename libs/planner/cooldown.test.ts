import { expect, test } from 'vitest';
import { NOW, cluster, evenly, limits, vm } from './cluster.fixture.js';
import { type PastMove, cooldownMs, plan, remember } from './index.js';

const MINUTE_MS = 60_000;
const moveAt = (atMs: number): PastMove => ({ sourceHostId: 'h1', destinationHostId: 'h2', atMs });

test('a VM rests twice as long after each further move, and no longer than four hours', () => {
  let moves: PastMove[] = [];
  const minutes: number[] = [];
  for (let n = 0; n < 10; n++) {
    moves = remember(moves, moveAt(NOW + n * MINUTE_MS));
    minutes.push(cooldownMs(moves, 2 * MINUTE_MS, NOW + n * MINUTE_MS) / MINUTE_MS);
  }
  expect(minutes).toEqual([2, 4, 8, 16, 32, 64, 128, 240, 240, 240]);
});

test('moves are forgotten after six hours; a longer cooldown of the cluster holds', () => {
  const old = remember([], moveAt(NOW - 7 * 60 * MINUTE_MS));
  expect(remember(old, moveAt(NOW))).toEqual([moveAt(NOW)]);
  expect(cooldownMs(remember(old, moveAt(NOW)), MINUTE_MS, NOW)).toBe(MINUTE_MS);
  expect(cooldownMs([], 10 * 60 * MINUTE_MS, NOW)).toBe(10 * 60 * MINUTE_MS);
});

test('a policy does not send a VM back to the host that a policy has taken it from', () => {
  const recentMoves = [{ sourceHostId: 'h2', destinationHostId: 'h1', atMs: NOW - 60 * MINUTE_MS }];
  const facts = (moves: PastMove[]) =>
    cluster({ h1: {}, h2: {} }, [
      vm('a', 'h1', { recentMoves: moves }),
      vm('b', 'h1', { immovableReason: 'b is pinned' }),
    ]);
  expect(plan(facts([]), evenly(), limits(2), NOW).moves).toHaveLength(1);
  const made = plan(facts(recentMoves), evenly(), limits(2), NOW);
  expect(made.moves).toEqual([]);
  expect(made.refusals.map(({ reason }) => reason)).toContain(
    'a policy has taken a away from h2 of late; it is not sent to and fro',
  );
});
