/** What holds under every policy, with affinity groups and a reservation for failing hosts. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SchedulingPolicy } from '#contracts';
import { often } from '../../test/property-runs.js';
import { anyLimit, anyOfAllPolicies, ruledFacts } from './cluster.arbitrary.js';
import { NOW, arrived, limits, started } from './cluster.fixture.js';
import { ruleBrokenBy, running, survives } from './holds.fixture.js';
import { type ClusterFacts, type Move, type Plan, plan, restAfter } from './index.js';

const RUNS = often(100);

const always = (check: (state: ClusterFacts, made: Plan, policy: SchedulingPolicy, failures: number) => void) =>
  fc.assert(
    fc.property(ruledFacts, anyOfAllPolicies, anyLimit, fc.nat(2), (state, policy, limit, failures) => {
      check(state, plan(state, policy, limits(limit, failures), NOW), policy, failures);
    }),
    RUNS,
  );

const flights = (state: ClusterFacts) => state.inFlight as readonly Move[];

test('no step sends a VM to where a hard rule about hosts, or one that keeps VMs apart, forbids it', () => {
  always((state, made) => {
    made.moves.forEach((move, index) => {
      expect(ruleBrokenBy(move, started(state, made.moves.slice(0, index)))).toBeNull();
    });
  });
});

test('VMs that hard rules keep together are torn apart by no plan, but on their way out of a host', () => {
  always((state, made) => {
    const before: ClusterFacts = { ...arrived(state, flights(state)), inFlight: [] };
    const after = arrived(before, made.moves);
    const hostsOf = (facts: ClusterFacts, vmIds: readonly string[]) =>
      new Set(running(facts).flatMap((vm) => (vmIds.includes(vm.id) ? vm.hostId : [])));
    for (const { vmIds, vmsRule } of state.affinityGroups) {
      if (!vmsRule.enabled || !vmsRule.enforcing || !vmsRule.positive) continue;
      const own = made.moves.filter((move) => vmIds.includes(move.vmId));
      const mayBePartly = own.some(
        ({ kind }) => kind === 'evacuation' || kind === 'affinity' || kind === 'power_saving',
      );
      if (!mayBePartly)
        expect(hostsOf(after, vmIds).size).toBeLessThanOrEqual(Math.max(1, hostsOf(before, vmIds).size));
    }
  });
});

test('hosts may fail after every step if they might before', () => {
  always((state, made, _policy, failures) => {
    let now: ClusterFacts = { ...arrived(state, flights(state)), inFlight: [] };
    if (!survives(now, failures)) return;
    for (const move of made.moves) {
      now = arrived(now, [move]);
      expect(survives(now, failures)).toBe(true);
    }
  });
});

test('a move that is weighed brings more than it costs, and a VM that rests is moved for maintenance alone', () => {
  always((state, made) => {
    for (const move of made.moves) {
      const vm = state.vms.find(({ id }) => id === move.vmId)!;
      if (move.kind !== 'evacuation') expect(vm.cooldownUntilMs ?? 0).toBeLessThanOrEqual(NOW);
    }
    const weighed = made.moves.filter(({ kind, benefit }) => kind === 'balance' && benefit !== null);
    for (const { cost, benefit } of weighed) expect(cost.pointSeconds).toBeLessThanOrEqual(benefit!);
  });
});

describe('plan after plan', () => {
  test('comes to rest under every policy, whatever the rules are', () => {
    fc.assert(
      fc.property(ruledFacts, anyOfAllPolicies, anyLimit, (start, policy, limit) => {
        let state: ClusterFacts = { ...arrived(start, flights(start)), inFlight: [] };
        for (let round = 0; round < 200; round++) {
          const made = plan(state, policy, limits(limit), NOW);
          if (made.moves.length === 0) return;
          state = remembered(arrived(state, made.moves), made.moves);
        }
        expect.unreachable('two hundred plans were not enough');
      }),
      RUNS,
    );
  });
});

/** VMs remember where policies have taken them from: what keeps rules that contradict loads from going round in circles. */
function remembered(state: ClusterFacts, moves: readonly Move[]): ClusterFacts {
  const byPolicy = new Map(moves.filter(({ kind }) => kind !== 'evacuation').map((move) => [move.vmId, move]));
  const vms = state.vms.map((vm) => {
    const move = byPolicy.get(vm.id);
    if (!move) return vm;
    const { sourceHostId, destinationHostId } = move;
    const ended = { sourceHostId, destinationHostId, isByPolicy: true, hasArrived: true };
    return { ...vm, recentMoves: restAfter(vm.recentMoves, ended, 0, NOW).recentMoves };
  });
  return { ...state, vms };
}
