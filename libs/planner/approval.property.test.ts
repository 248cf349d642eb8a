/** Plans that wait for approval: what holds of them while the cluster goes on, and when only some moves are approved. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { often } from '../../test/property-runs.js';
import type { MoveState, SchedulingPolicy } from '#contracts';
import { anyLimit, anyOfAllPolicies, crowdedFacts, ruledFacts } from './cluster.arbitrary.js';
import { NOW, arrived, limits, started } from './cluster.fixture.js';
import { memoryHeldMiB, migrationsOf, ruleBrokenBy, survives } from './holds.fixture.js';
import {
  type ClusterFacts,
  type HostFacts,
  type Limits,
  type Move,
  type MoveUnderWay,
  nextSteps,
  plan,
  whyOutdated,
} from './index.js';

const RUNS = often(60);
const atRest = fc
  .oneof(ruledFacts, crowdedFacts)
  .map((state): ClusterFacts => ({ ...arrived(state, state.inFlight as readonly Move[]), inFlight: [] }));

/** Meanwhile: VMs that people have moved, hosts that are there no more, loads that have changed. */
const changes = fc.record({
  moves: fc.array(fc.record({ vm: fc.nat(), host: fc.nat() }), { maxLength: 3 }),
  lost: fc.option(fc.nat(), { freq: 3 }),
  loads: fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 40, maxLength: 40 }),
});

function changed(
  state: ClusterFacts,
  { moves, lost, loads }: typeof changes extends fc.Arbitrary<infer T> ? T : never,
) {
  let now = state;
  for (const { vm, host } of moves) {
    const moved = now.vms[vm % Math.max(1, now.vms.length)];
    const to = now.hosts[host % now.hosts.length]!;
    if (!moved || moved.status !== 'up' || moved.hostId === to.id) continue;
    if (memoryHeldMiB(now, to.id) + moved.memoryMiB > to.memoryMiB) continue;
    now = arrived(now, [{ vmId: moved.id, sourceHostId: moved.hostId, destinationHostId: to.id } as Move]);
  }
  const vms = now.vms.map((vm, index) => ({ ...vm, cpuUsedCores: (vm.cpuUsedCores * loads[index]!) / 100 }));
  const usedOn = (id: string) => vms.reduce((sum, vm) => sum + (vm.hostId === id ? vm.cpuUsedCores : 0), 0);
  const hosts = now.hosts.map((host, index): HostFacts => ({
    ...host,
    status: lost !== null && index === lost % now.hosts.length ? 'non_responsive' : host.status,
    cpuUsedCores: usedOn(host.id),
  }));
  return { ...now, vms, hosts };
}

/** Carries out what is approved, moves arriving one by one in an order of chance; returns the states in the end. */
function carryOut(
  start: ClusterFacts,
  { moves, states }: { readonly moves: readonly Move[]; readonly states: readonly MoveState[] },
  policy: SchedulingPolicy,
  limit: Limits,
  dice: Iterator<number>,
  check: (before: ClusterFacts, move: Move) => void,
): MoveState[] {
  const rows: MoveUnderWay[] = moves.map((move, index) => ({ ...move, state: states[index]! }));
  const become = (position: number, state: MoveState) => (rows[position] = { ...rows[position]!, state });
  const underWay: number[] = [];
  let now = start;
  for (;;) {
    for (const { action, position } of nextSteps(now, rows, policy, limit)) {
      if (action === 'begin') {
        check(now, moves[position]!);
        underWay.push(position);
        now = started(now, [moves[position]!]);
      }
      become(position, action === 'begin' ? 'started' : 'dropped');
    }
    if (underWay.length === 0) return rows.map(({ state }) => state);
    const [there] = underWay.splice((dice.next().value as number) % underWay.length, 1);
    const { vmId } = moves[there!]!;
    now = arrived({ ...now, inFlight: now.inFlight.filter((move) => move.vmId !== vmId) }, [moves[there!]!]);
    become(there!, 'completed');
  }
}

const dice = fc.infiniteStream(fc.nat(1000));

test('a plan that was just made is not outdated, and all of it is carried out', () => {
  fc.assert(
    fc.property(atRest, anyOfAllPolicies, anyLimit, fc.nat(2), dice, (state, policy, most, failures, chance) => {
      const limit = limits(most, failures);
      const { moves } = plan(state, policy, limit, NOW);
      expect(whyOutdated(state, moves, policy, limit)).toBeNull();
      const states = moves.map(() => 'approved' as const);
      const ends = carryOut(state, { moves, states }, policy, limit, chance, () => {});
      expect(ends.filter((end) => end !== 'completed')).toEqual([]);
    }),
    RUNS,
  );
});

test('whatever is approved and whatever has changed, no step overfills a host, breaks a hard rule or the reservation', () => {
  const verdicts = fc.array(fc.constantFrom<MoveState>('approved', 'approved', 'rejected', 'proposed'), {
    minLength: 40,
    maxLength: 40,
  });
  fc.assert(
    fc.property(
      fc.record({ state: atRest, change: changes, verdicts, dice }),
      anyOfAllPolicies,
      anyLimit,
      fc.nat(2),
      ({ state, change, ...given }, policy, most, failures) => {
        const limit = limits(most, failures);
        const moves = plan(state, policy, limit, NOW).moves.slice(0, 40);
        const states = moves.map((_, index) => given.verdicts[index]!);
        const now = changed(state, change);
        const isSafe = survives(now, failures);
        const ends = carryOut(now, { moves, states }, policy, limit, given.dice, (before, move) => {
          const during = started(before, [move]);
          expect(ruleBrokenBy(move, before)).toBeNull();
          for (const { id, status, memoryMiB } of during.hosts) {
            if (id === move.destinationHostId) expect(status).toBe('up');
            expect(memoryHeldMiB(during, id)).toBeLessThanOrEqual(memoryMiB);
            expect(migrationsOf(during, id)).toBeLessThanOrEqual(most);
          }
          const after = arrived({ ...during, inFlight: [] }, during.inFlight as readonly Move[]);
          if (isSafe) expect(survives(after, failures)).toBe(true);
        });
        // What nobody has approved has not begun.
        for (const [index, end] of ends.entries())
          if (states[index] !== 'approved') expect(['rejected', 'proposed', 'dropped']).toContain(end);
      },
    ),
    RUNS,
  );
});

test('a plan that has not expired can be approved: it is carried out to its end', () => {
  fc.assert(
    fc.property(
      fc.record({ state: atRest, change: changes, dice }),
      anyOfAllPolicies,
      anyLimit,
      fc.nat(2),
      ({ state, change, dice: chance }, policy, most, failures) => {
        const limit = limits(most, failures);
        const { moves } = plan(state, policy, limit, NOW);
        const now = changed(state, change);
        fc.pre(moves.length > 0 && whyOutdated(now, moves, policy, limit) === null);
        const states = moves.map(() => 'approved' as const);
        const ends = carryOut(now, { moves, states }, policy, limit, chance, () => {});
        expect(ends.filter((end) => end !== 'completed')).toEqual([]);
      },
    ),
    often(30),
  );
});
