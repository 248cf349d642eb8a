import { expect, test } from 'vitest';
import { NOW, cluster, evenly, limits, vm } from './cluster.fixture.js';
import { type PastMove, plan, restAfter } from './index.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const BY_POLICY = { sourceHostId: 'h1', destinationHostId: 'h2', isByPolicy: true, hasArrived: true };

test('a VM rests twice as long after each further move by a policy, and no longer than four hours', () => {
  let moves: readonly PastMove[] = [];
  const minutes: number[] = [];
  for (let n = 0; n < 10; n++) {
    const nowMs = NOW + n * MINUTE_MS;
    const rest = restAfter(moves, BY_POLICY, 2 * MINUTE_MS, nowMs);
    moves = rest.recentMoves;
    minutes.push((rest.cooldownUntilMs - nowMs) / MINUTE_MS);
  }
  expect(minutes).toEqual([2, 4, 8, 16, 32, 64, 128, 240, 240, 240]);
});

test('moves are forgotten after six hours; a longer cooldown of the cluster holds', () => {
  const old = restAfter([], BY_POLICY, MINUTE_MS, NOW - 7 * HOUR_MS).recentMoves;
  const { sourceHostId, destinationHostId } = BY_POLICY;
  expect(restAfter(old, BY_POLICY, MINUTE_MS, NOW)).toEqual({
    recentMoves: [{ sourceHostId, destinationHostId, atMs: NOW }],
    cooldownUntilMs: NOW + MINUTE_MS,
  });
  expect(restAfter([], BY_POLICY, 10 * HOUR_MS, NOW).cooldownUntilMs).toBe(NOW + 10 * HOUR_MS);
});

test('what has not arrived, and what people move, rests as usual and is not remembered', () => {
  const before = restAfter([], BY_POLICY, MINUTE_MS, NOW - HOUR_MS).recentMoves;
  for (const ended of [
    { ...BY_POLICY, hasArrived: false },
    { ...BY_POLICY, isByPolicy: false },
  ])
    expect(restAfter(before, ended, MINUTE_MS, NOW)).toEqual({ recentMoves: before, cooldownUntilMs: NOW + MINUTE_MS });
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
