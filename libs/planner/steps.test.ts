import { describe, expect, test } from 'vitest';
import type { MoveState, SchedulingPolicy } from '#contracts';
import { NOW, cluster, evenly, limits, vm } from './cluster.fixture.js';
import { type ClusterFacts, type Move, nextMoves, nextSteps, plan, whyOutdated } from './index.js';

const progress = (...steps: [state: MoveState, ...waitsFor: number[]][]) =>
  steps.map(([state, ...waitsFor]) => ({ state, waitsFor }));

describe('which moves come next', () => {
  test('those that are approved and whose predecessors have arrived', () => {
    expect(nextMoves(progress(['completed'], ['approved', 0], ['approved', 1], ['approved']))).toEqual({
      ready: [1, 3],
      lost: [],
    });
    expect(nextMoves(progress(['started'], ['approved', 0], ['proposed'])).ready).toEqual([]);
  });

  test.each(['failed', 'dropped', 'rejected'] as const)(
    'none that waits, however indirectly, for one that %s',
    (state) => {
      expect(nextMoves(progress([state], ['approved', 0], ['proposed', 1], ['approved']))).toEqual({
        ready: [3],
        lost: [1, 2],
      });
    },
  );
});

const policy = evenly();
const crowded = cluster(
  { h1: {}, h2: {} },
  ['a', 'b', 'c', 'd'].map((name) => vm(name, 'h1')),
);
const { moves } = plan(crowded, policy, limits(2), NOW);
const [first] = moves as [Move];

/** What becomes of a move that waits for nothing: begun, dropped for a reason, or held back. */
function becomes(facts: ClusterFacts, move: Move, some: SchedulingPolicy = policy, limit = 2): string {
  const [step] = nextSteps(facts, [{ ...move, state: 'approved', waitsFor: [] }], some, limits(limit));
  return step?.action === 'drop' ? step.reason : (step?.action ?? 'wait');
}

describe('a move that is about to begin', () => {
  test('may, as long as nothing is in its way', () => {
    expect(becomes(crowded, first)).toBe('begin');
  });

  test('waits while its hosts are busy', () => {
    const inFlight = [{ vmId: 'id-of-d', sourceHostId: 'h1', destinationHostId: 'h2' }];
    expect(becomes({ ...crowded, inFlight }, first, policy, 1)).toBe('wait');
  });

  test('is off when its VM is elsewhere or down, or its destination is not up any more', () => {
    const reasonWith = (facts: ClusterFacts) => becomes(facts, first);
    const elsewhere = { ...crowded, vms: crowded.vms.map((one) => ({ ...one, hostId: 'h2' })) };
    expect(reasonWith(elsewhere)).toBe('a is not on h1 any more');
    expect(reasonWith({ ...crowded, vms: [] })).toBe('its VM or one of its hosts is gone');
    const paused = { ...crowded, vms: crowded.vms.map((one) => ({ ...one, status: 'paused' as const })) };
    expect(reasonWith(paused)).toBe('a is paused; resume it or stop it');
    const gone = crowded.hosts.map((host) => (host.id === 'h2' ? { ...host, status: 'maintenance' as const } : host));
    expect(reasonWith({ ...crowded, hosts: gone })).toBe('h2 is in maintenance');
  });

  test('that empties a host is off when the host is not to be emptied any more, and waits while that is paused', () => {
    const hostIs = (more: object) => ({
      ...crowded,
      hosts: crowded.hosts.map((host) => (host.id === 'h1' ? { ...host, ...more } : host)),
    });
    const status = 'preparing_for_maintenance' as const;
    const [leaves] = plan(hostIs({ status }), { name: 'none' }, limits(2), NOW).moves as [Move];
    const ofLeaving = (more: object) => becomes(hostIs(more), leaves, { name: 'none' });
    expect(ofLeaving({ status })).toBe('begin');
    expect(ofLeaving({ status, isEvacuationPaused: true })).toBe('wait');
    expect(ofLeaving({})).toBe('h1 is not to be emptied any more');
  });
});

describe('a plan under way', () => {
  const under = (...states: MoveState[]) =>
    states.map((state, position) => ({ ...moves[0]!, state, waitsFor: position === 0 ? [] : [position - 1] }));

  test('begins of moves that are ready as many as their hosts may have, each with those before it in mind', () => {
    const ready = plan(crowded, policy, limits(4), NOW).moves.map((move) => ({ ...move, state: 'approved' as const }));
    expect(ready.length).toBeGreaterThan(1);
    expect(nextSteps(crowded, ready, policy, limits(1))).toEqual([{ action: 'begin', position: 0 }]);
    expect(nextSteps(crowded, ready, policy, limits(4))).toHaveLength(ready.length);
  });

  test('drops a move that cannot be made any more, and all that wait for it', () => {
    const steps = nextSteps({ ...crowded, vms: [] }, under('approved', 'approved', 'approved'), policy, limits(2));
    expect(steps).toEqual([
      { action: 'drop', position: 0, reason: 'its VM or one of its hosts is gone' },
      { action: 'drop', position: 1, reason: 'a move that it waited for is off' },
      { action: 'drop', position: 2, reason: 'a move that it waited for is off' },
    ]);
  });

  test('has nothing to do while its moves are on their way, or wait for people', () => {
    expect(nextSteps(crowded, under('started', 'approved'), policy, limits(2))).toEqual([]);
    expect(nextSteps(crowded, under('proposed', 'approved'), policy, limits(2))).toEqual([]);
  });
});

describe('a plan that waits for approval', () => {
  test('stands as long as its moves can be made and still even out load', () => {
    expect(whyOutdated(crowded, moves, policy, limits(2))).toBeNull();
    expect(whyOutdated(crowded, moves, policy, limits(1))).toBeNull();
  });

  test('stands though an evacuation beside it raises imbalance', () => {
    const leaving = cluster({ h1: { status: 'preparing_for_maintenance' }, h2: {}, h3: {} }, [
      vm('x', 'h1', { cpuUsedCores: 2 }),
      ...['p', 'q'].map((name) => vm(name, 'h2')),
      ...['r', 's'].map((name) => vm(name, 'h3')),
    ]);
    const { moves: both } = plan(leaving, policy, limits(4), NOW);
    expect(new Set(both.map(({ kind }) => kind))).toEqual(new Set(['evacuation', 'balance']));
    expect(whyOutdated(leaving, both, policy, limits(4))).toBeNull();
  });

  test('does not stand when load is elsewhere', () => {
    const now = cluster({ h1: {}, h2: {} }, [
      ...['a', 'b', 'c', 'd'].map((name) => vm(name, 'h1', { cpuUsedCores: 0.1 })),
      vm('new', 'h2', { cpuUsedCores: 2.5, memoryMiB: 1024 }),
    ]);
    expect(whyOutdated(now, moves, policy, limits(2))).toMatch(/^loads have changed: its moves would bring imbalance/);
  });

  test('does not stand when the room that it needs is taken', () => {
    const now = { ...crowded, vms: [...crowded.vms, vm('new', 'h2', { memoryMiB: 4000, cpuUsedCores: 0 })] };
    expect(whyOutdated(now, moves, policy, limits(2))).toMatch(/^h2 has 96 MiB of memory free/);
  });

  test('with moves that wait for each other stands as they come, one after the other', () => {
    const facts = cluster(
      { h1: { status: 'preparing_for_maintenance' }, h2: { memoryMiB: 1024 }, h3: { memoryMiB: 512 } },
      [vm('big', 'h1', { memoryMiB: 1024 }), vm('small', 'h2', { memoryMiB: 256 })],
    );
    const chain = plan(facts, { name: 'none' }, limits(2), NOW).moves;
    expect(chain).toHaveLength(2);
    expect(whyOutdated(facts, chain, { name: 'none' }, limits(2))).toBeNull();
    expect(becomes(facts, chain[1]!, { name: 'none' })).toMatch(/^h2 has 768 MiB of memory free/);
  });
});
