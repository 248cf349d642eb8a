/** What holds for every cluster, not only for the examples. */
import * as fc from 'fast-check';
import type { SchedulingPolicy } from '#contracts';
import { describe, expect, test } from 'vitest';
import { often } from '../../test/property-runs.js';
import { anyLimit, anyOfAllPolicies, anyPolicy, crowdedFacts, facts, parameters } from './cluster.arbitrary.js';
import { NOW, arrived, evenly, limits, started } from './cluster.fixture.js';
import { byId, memoryHeldMiB, migrationsOf } from './holds.fixture.js';
import {
  type ClusterFacts,
  type HostFacts,
  type Move,
  type Plan,
  type VmFacts,
  imbalance,
  placeVm,
  plan,
} from './index.js';

const RUNS = often(100);
const crowdedOrNot = fc.oneof(facts, crowdedFacts);

const isBalance = (move: Move) => move.kind === 'balance';
const isForLoad = (move: Move) => move.kind === 'balance' || move.kind === 'exchange';

const always = (check: (state: ClusterFacts, made: Plan, policy: SchedulingPolicy, limit: number) => void) =>
  fc.assert(
    fc.property(crowdedOrNot, anyOfAllPolicies, anyLimit, (state, policy, limit) => {
      check(state, plan(state, policy, limits(limit), NOW), policy, limit);
    }),
    RUNS,
  );

describe('every plan', () => {
  test('overfills no host with memory, nor its limit of migrations, however long its moves take', () => {
    fc.assert(
      fc.property(
        crowdedOrNot,
        anyOfAllPolicies,
        anyLimit,
        fc.infiniteStream(fc.nat(1000)),
        (state, policy, limit, dice) => {
          const made = plan(state, policy, limits(limit), NOW);
          const already = new Map(state.hosts.map(({ id }) => [id, migrationsOf(state, id)]));
          playOut(state, made.moves, dice, (now) => {
            for (const { id, memoryMiB } of state.hosts) {
              expect(memoryHeldMiB(now, id)).toBeLessThanOrEqual(memoryMiB);
              expect(migrationsOf(now, id)).toBeLessThanOrEqual(Math.max(limit, already.get(id)!));
            }
          });
        },
      ),
      RUNS,
    );
  });

  test('keeps destinations of moves by policies at or below HighUtilization, and of evacuations below 100 % CPU', () => {
    always((state, made, policy) => {
      for (let step = 1; step <= made.moves.length; step++) {
        const { destinationHostId, kind } = made.moves[step - 1]!;
        const after = arrived(state, [...flights(state), ...made.moves.slice(0, step)]);
        const host = after.hosts.find((each) => each.id === destinationHostId)!;
        const isForPolicy = kind === 'balance' || kind === 'exchange' || kind === 'power_saving';
        const limit =
          isForPolicy && (policy.name === 'evenly_distributed' || policy.name === 'power_saving')
            ? policy.parameters.HighUtilization
            : 100;
        expect((100 * host.cpuUsedCores) / host.cpuCores).toBeLessThanOrEqual(limit + 1e-6);
      }
    });
  });

  test('sends no VM that uses the network over a link that it would overfill', () => {
    always((state, made) => {
      for (const [index, { vmId, destinationHostId }] of made.moves.entries()) {
        if (!byId(state.vms).get(vmId)!.networkUsedMiBps) continue;
        const after = arrived(state, [...flights(state), ...made.moves.slice(0, index + 1)]);
        const { networkMiBps, networkUsedMiBps } = byId(after.hosts).get(destinationHostId)!;
        expect(networkUsedMiBps).toBeLessThanOrEqual((networkMiBps ?? Infinity) + 1e-6);
      }
    });
  });

  test('moves only VMs that are up, may be moved, are not on their way; and each once, but for those that step aside', () => {
    always((state, made) => {
      const vms = byId(state.vms);
      const places = new Map(state.vms.map(({ id, hostId }) => [id, hostId]));
      const seen = new Map<string, Move>();
      for (const move of made.moves) {
        const vm = vms.get(move.vmId)!;
        expect(vm).toMatchObject({ status: 'up', immovableReason: null });
        expect(move.sourceHostId).toBe(places.get(move.vmId));
        expect(state.inFlight.some((flight) => flight.vmId === move.vmId)).toBe(false);
        if (move.kind !== 'evacuation') expect(vm.cooldownUntilMs ?? 0).toBeLessThanOrEqual(NOW);
        if (seen.has(move.vmId)) expect([seen.get(move.vmId)!.kind, move.kind]).toEqual(['exchange', 'exchange']);
        places.set(move.vmId, move.destinationHostId);
        seen.set(move.vmId, move);
      }
    });
  });

  test('sends VMs to hosts that are up, and balances only between these', () => {
    always((state, made) => {
      const hosts = byId(state.hosts);
      for (const move of made.moves) {
        expect(hosts.get(move.destinationHostId)?.status).toBe('up');
        expect(hosts.get(move.sourceHostId)?.status).toBe(
          move.kind === 'evacuation' ? 'preparing_for_maintenance' : 'up',
        );
      }
    });
  });

  test('lowers imbalance with each balance move or exchange, by at least MinimumGain for each move', () => {
    always((state, made, policy) => {
      if (policy.name !== 'evenly_distributed') return;
      const ordered = made.moves.filter((move) => !isForLoad(move));
      const balancing = made.moves.filter(isForLoad);
      expect(made.moves).toEqual([...ordered, ...balancing]);
      const { MinimumGain: minimumGain } = policy.parameters;
      let before = imbalance(started(state, ordered));
      balancing.forEach((move, index) => {
        expect(move.gain).toBeGreaterThanOrEqual(minimumGain);
        const next = balancing[index + 1];
        if (move.kind === 'exchange' && next?.kind === 'exchange' && next.gain === move.gain) return; // it has more moves
        const after = imbalance(started(state, [...ordered, ...balancing.slice(0, index + 1)]));
        expect(after).toBeLessThan(before);
        before = after;
      });
      expect(made.imbalanceBefore).toBeCloseTo(imbalance(state), 9);
      expect(made.imbalanceAfter).toBeCloseTo(before, 9);
    });
  });

  test('makes first the move that lowers imbalance most, of all that are allowed', () => {
    const eager = parameters.map((some) =>
      evenly({
        ...some,
        ImbalanceThreshold: 0,
        MinimumGain: 0,
        MaxFreeMemoryForOverUtilized: 0,
        HorizonMinutes: 10_080,
      }),
    );
    fc.assert(
      fc.property(facts, eager, anyLimit, (some, policy, limit) => {
        fc.pre(some.hosts.every((host) => host.status !== 'preparing_for_maintenance'));
        const state = { ...some, hosts: some.hosts.map((host) => ({ ...host, overUtilizedSinceMs: null })) };
        // Two VMs that change places are better only together: no single move is compared with them.
        const first = plan(state, policy, limits(limit), NOW).moves.slice(0, 1).filter(isBalance);
        fc.pre(first.length > 0);
        const reached = imbalance(started(state, first));
        for (const alternative of singleMoves(state, policy.parameters.HighUtilization, limit)) {
          expect(reached).toBeLessThanOrEqual(imbalance(started(state, [alternative])) + 1e-6);
        }
      }),
      RUNS,
    );
  });

  test('is the same in whatever order hosts, VMs and moves under way are listed', () => {
    fc.assert(
      fc.property(facts, anyPolicy, anyLimit, fc.infiniteStream(fc.nat(1000)), (state, policy, limit, dice) => {
        const shuffled = <T>(items: readonly T[]): T[] =>
          items
            .map((item) => ({ item, key: dice.next().value as number }))
            .toSorted((a, b) => a.key - b.key)
            .map(({ item }) => item);
        const { hosts, vms, inFlight } = state;
        const other = { ...state, hosts: shuffled(hosts), vms: shuffled(vms), inFlight: shuffled(inFlight) };
        expect(plan(other, policy, limits(limit), NOW)).toEqual(plan(state, policy, limits(limit), NOW));
      }),
      RUNS,
    );
  });

  test('has nothing to add while its moves are under way, unless balancing made room for an evacuation', () => {
    always((state, made, policy, limit) => {
      const again = plan(started(state, made.moves), policy, limits(limit), NOW);
      const madeRoom = made.moves.some(isForLoad) && again.moves.some((move) => !isForLoad(move));
      expect(madeRoom ? [] : again.moves).toEqual([]);
    });
  });

  test('leads to rest: plan after plan, no VM is moved once loads stay the same, and imbalance never rises', () => {
    fc.assert(
      fc.property(facts, parameters.map(evenly), anyLimit, (start, policy, limit) => {
        let state: ClusterFacts = { ...arrived(start, flights(start)), inFlight: [] };
        for (let round = 0; round < 200; round++) {
          const made = plan(state, policy, limits(limit), NOW);
          if (made.moves.length === 0) return;
          const isWorse = made.imbalanceAfter >= made.imbalanceBefore;
          expect(isWorse && made.moves.every(isForLoad)).toBe(false);
          state = arrived(state, made.moves);
        }
        expect.unreachable('two hundred plans were not enough');
      }),
      RUNS,
    );
  });

  test('empties a host that is to go into maintenance, or says for each VM why not', () => {
    always((state, made) => {
      const leaving = new Set([...made.moves, ...state.inFlight].map((move) => move.vmId));
      const refused = new Set(
        made.refusals.filter((refusal) => refusal.hostId === null).map((refusal) => refusal.vmId),
      );
      const hosts = byId(state.hosts);
      for (const vm of state.vms) {
        if (vm.status === 'down' || hosts.get(vm.hostId)?.status !== 'preparing_for_maintenance') continue;
        expect([leaving.has(vm.id), refused.has(vm.id)]).toEqual(leaving.has(vm.id) ? [true, false] : [false, true]);
      }
    });
  });
});

test('a new VM starts only where its memory is free', () => {
  const newVm = fc.record({
    id: fc.constant('new'),
    name: fc.constant('new'),
    labels: fc.constant([]),
    vcpus: fc.integer({ min: 1, max: 10 }),
    memoryMiB: fc.integer({ min: 16, max: 9000 }),
  });
  fc.assert(
    fc.property(facts, anyPolicy, newVm, (state, policy, vm) => {
      const choice = placeVm(state, vm, policy, limits(1));
      const fits = (host: ClusterFacts['hosts'][number]) =>
        host.status === 'up' &&
        vm.vcpus <= host.cpuCores &&
        memoryHeldMiB(state, host.id) + vm.memoryMiB + (policy.name === 'none' ? 0 : 64) <= host.memoryMiB;
      const possible = state.hosts.filter(fits).map((host) => host.id);
      const refused = choice.hostId === null ? choice.refusals.map((refusal) => refusal.hostId) : null;
      const expected = possible.length === 0 ? state.hosts.map((host) => host.id).toSorted() : null;
      expect(refused?.toSorted() ?? null).toEqual(expected);
      expect([null, ...possible]).toContain(choice.hostId);
    }),
    RUNS,
  );
});

/** Every move that evenly_distributed may make, whether it helps or not. */
function singleMoves(state: ClusterFacts, HighUtilization: number, limit: number): Move[] {
  const isUp = (host: HostFacts) => host.status === 'up' && migrationsOf(state, host.id) < limit;
  const up = new Set(state.hosts.filter(isUp).map((host) => host.id));
  const isMovable = (vm: VmFacts) =>
    up.has(vm.hostId) &&
    vm.status === 'up' &&
    vm.immovableReason === null &&
    (vm.cooldownUntilMs ?? 0) <= NOW &&
    !state.inFlight.some((flight) => flight.vmId === vm.id);
  const settled = arrived(state, flights(state));
  const fits = (vm: VmFacts, host: HostFacts) =>
    vm.hostId !== host.id &&
    memoryHeldMiB(state, host.id) + vm.memoryMiB + 64 <= host.memoryMiB &&
    (100 * (host.cpuUsedCores + vm.cpuUsedCores)) / host.cpuCores <= HighUtilization &&
    (!vm.networkUsedMiBps || host.networkUsedMiBps + vm.networkUsedMiBps <= (host.networkMiBps ?? Infinity));
  return state.vms
    .filter(isMovable)
    .flatMap((vm) =>
      settled.hosts.filter((host) => up.has(host.id) && fits(vm, host)).map((host) => moveTo(vm, host.id)),
    );
}

const moveTo = (vm: VmFacts, destinationHostId: string): Move => ({
  vmId: vm.id,
  sourceHostId: vm.hostId,
  destinationHostId,
  ...UNEXPLAINED,
});

const UNEXPLAINED = {
  reason: '',
  kind: 'balance',
  gain: 0,
  benefit: null,
  cost: { bytes: 0, durationMs: 0, pauseMs: 0, slowdown: 0, pointSeconds: 0 },
  waitsFor: [],
} as const;

/** Moves under way as moves of a plan. */
function flights(state: ClusterFacts): Move[] {
  return state.inFlight.map((flight) => ({ ...flight, ...UNEXPLAINED }));
}

/** Moves begin and arrive in an order of chance, as far as they wait for each other; `check` sees every moment. */
function playOut(
  start: ClusterFacts,
  moves: readonly Move[],
  dice: Iterator<number>,
  check: (now: ClusterFacts) => void,
): void {
  const left = new Set(moves.keys());
  const underWay = new Set<number>();
  const there: number[] = [];
  while (there.length < moves.length) {
    const ready = [...left].filter((index) => moves[index]!.waitsFor.every((other) => there.includes(other)));
    const choices = [...ready, ...underWay];
    expect(choices).not.toEqual([]);
    const chosen = choices[(dice.next().value as number) % choices.length]!;
    if (left.delete(chosen)) underWay.add(chosen);
    else {
      underWay.delete(chosen);
      there.push(chosen);
    }
    const settled = arrived(
      start,
      there.map((index) => moves[index]!),
    );
    check(
      started(
        settled,
        [...underWay].map((index) => moves[index]!),
      ),
    );
  }
}
