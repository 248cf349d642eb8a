/** What holds for every cluster, not only for the examples. */
import fc from 'fast-check';
import type { HostStatus, VmStatus } from '#contracts';
import { describe, expect, test } from 'vitest';
import { NOW, arrived, cluster, evenly, limits, started } from './cluster.fixture.js';
import { type ClusterFacts, type Move, type Plan, type VmFacts, imbalance, placeVm, plan } from './index.js';

const RUNS = { numRuns: 300 };

const hostStatus = fc.oneof(
  { weight: 8, arbitrary: fc.constant<HostStatus>('up') },
  { weight: 2, arbitrary: fc.constant<HostStatus>('preparing_for_maintenance') },
  { weight: 1, arbitrary: fc.constantFrom<HostStatus>('maintenance', 'non_responsive', 'installing') },
);
const vmStatus = fc.oneof(
  { weight: 10, arbitrary: fc.constant<VmStatus>('up') },
  { weight: 1, arbitrary: fc.constantFrom<VmStatus>('paused', 'starting', 'stopping', 'unknown', 'migrating', 'down') },
);
const hostShape = fc.record({
  status: hostStatus,
  cpuCores: fc.constantFrom(2, 4, 8),
  memoryMiB: fc.constantFrom(2048, 4096, 8192),
  overUtilizedSinceMs: fc.constantFrom(null, NOW - 60_000, NOW - 600_000),
});
const vmShape = fc.record({
  host: fc.nat(),
  status: vmStatus,
  cpuUsedCores: fc.integer({ min: 0, max: 80 }).map((hundredths) => hundredths / 100),
  memoryMiB: fc.constantFrom(64, 128, 256, 512, 1000),
  cooldownUntilMs: fc.constantFrom(null, null, null, NOW - 1, NOW, NOW + 1, NOW + 60_000),
  immovableDice: fc.nat(9),
});

/** A cluster whose hosts are not over-filled to begin with, some of its VMs on their way. */
const facts: fc.Arbitrary<ClusterFacts> = fc
  .record({
    hosts: fc.array(hostShape, { minLength: 1, maxLength: 7 }),
    vms: fc.array(vmShape, { maxLength: 40 }),
    moving: fc.array(fc.record({ vm: fc.nat(), host: fc.nat() }), { maxLength: 3 }),
  })
  .map(({ hosts, vms, moving }) => {
    const free = hosts.map((host) => host.memoryMiB);
    const placed: VmFacts[] = [];
    vms.forEach((shape, index) => {
      const host = shape.host % hosts.length;
      if (free[host]! < shape.memoryMiB) return;
      free[host]! -= shape.memoryMiB;
      const { status, memoryMiB, cooldownUntilMs } = shape;
      const cpuUsedCores = status === 'down' ? 0 : shape.cpuUsedCores;
      const immovableReason = shape.immovableDice === 0 ? 'pinned' : null;
      const name = `v${index}`;
      placed.push({
        id: name,
        name,
        hostId: `h${host}`,
        status,
        cpuUsedCores,
        memoryMiB,
        vcpus: 1,
        cooldownUntilMs,
        immovableReason,
      });
    });
    const built = cluster(Object.fromEntries(hosts.map((host, index) => [`h${index}`, host])), placed);
    const inFlight = new Map<string, ClusterFacts['inFlight'][number]>();
    for (const { vm, host } of moving) {
      const source = placed[vm % Math.max(1, placed.length)];
      const destination = host % hosts.length;
      if (
        !source ||
        source.hostId === `h${destination}` ||
        free[destination]! < source.memoryMiB ||
        inFlight.has(source.id)
      )
        continue;
      free[destination]! -= source.memoryMiB;
      inFlight.set(source.id, { vmId: source.id, sourceHostId: source.hostId, destinationHostId: `h${destination}` });
    }
    return { ...built, inFlight: [...inFlight.values()] };
  });

const parameters = fc.record({
  HighUtilization: fc.integer({ min: 30, max: 100 }),
  ImbalanceThreshold: fc.integer({ min: 0, max: 20 }),
  MinimumGain: fc.constantFrom(0, 0.5, 1, 5),
  MaxFreeMemoryForOverUtilized: fc.constantFrom(0, 128, 512),
});
const anyPolicy = fc.oneof(
  { weight: 1, arbitrary: fc.constant({ name: 'none' } as const) },
  { weight: 9, arbitrary: parameters.map(evenly) },
);
const anyLimit = fc.integer({ min: 1, max: 6 });

const byId = <T extends { id: string }>(items: readonly T[]) => new Map(items.map((item) => [item.id, item]));

/** Memory held on a host while all these moves are under way. */
function memoryHeldMiB(state: ClusterFacts, hostId: string): number {
  const vms = byId(state.vms);
  const here = state.vms.filter((vm) => vm.hostId === hostId && vm.status !== 'down');
  const arriving = state.inFlight
    .filter((move) => move.destinationHostId === hostId)
    .map((move) => vms.get(move.vmId)!);
  return [...here, ...arriving].reduce((sum, vm) => sum + vm.memoryMiB, 0);
}

const migrationsOf = (state: ClusterFacts, hostId: string) =>
  state.inFlight.filter((move) => move.sourceHostId === hostId || move.destinationHostId === hostId).length;

const always = (check: (state: ClusterFacts, made: Plan, policy: ReturnType<typeof evenly>, limit: number) => void) =>
  fc.assert(
    fc.property(facts, anyPolicy, anyLimit, (state, policy, limit) => {
      check(state, plan(state, policy, limits(limit), NOW), policy, limit);
    }),
    RUNS,
  );

describe('every plan', () => {
  test('overfills no host with memory at any step, nor its limit of migrations', () => {
    always((state, made, _policy, limit) => {
      const hosts = byId(state.hosts);
      for (let step = 1; step <= made.moves.length; step++) {
        const during = started(state, made.moves.slice(0, step));
        const { sourceHostId, destinationHostId } = made.moves[step - 1]!;
        expect(memoryHeldMiB(during, destinationHostId)).toBeLessThanOrEqual(hosts.get(destinationHostId)!.memoryMiB);
        expect(migrationsOf(during, destinationHostId)).toBeLessThanOrEqual(limit);
        expect(migrationsOf(during, sourceHostId)).toBeLessThanOrEqual(limit);
      }
    });
  });

  test('keeps destinations of balance moves at or below HighUtilization, and of evacuations below 100 % CPU', () => {
    always((state, made, policy) => {
      for (let step = 1; step <= made.moves.length; step++) {
        const { destinationHostId, kind } = made.moves[step - 1]!;
        const after = arrived(state, [...flights(state), ...made.moves.slice(0, step)]);
        const host = after.hosts.find((each) => each.id === destinationHostId)!;
        const limit =
          kind === 'balance' && policy.name === 'evenly_distributed' ? policy.parameters.HighUtilization : 100;
        expect((100 * host.cpuUsedCores) / host.cpuCores).toBeLessThanOrEqual(limit + 1e-6);
      }
    });
  });

  test('moves only VMs that are up, may be moved, are not on their way; and each once', () => {
    always((state, made) => {
      const vms = byId(state.vms);
      for (const move of made.moves) {
        const vm = vms.get(move.vmId)!;
        expect(vm).toMatchObject({ status: 'up', immovableReason: null, hostId: move.sourceHostId });
        expect(state.inFlight.some((flight) => flight.vmId === move.vmId)).toBe(false);
        if (move.kind === 'balance') expect(vm.cooldownUntilMs ?? 0).toBeLessThanOrEqual(NOW);
      }
      expect(new Set(made.moves.map((move) => move.vmId)).size).toBe(made.moves.length);
    });
  });

  test('sends VMs to hosts that are up, and balances only between these', () => {
    always((state, made) => {
      const hosts = byId(state.hosts);
      for (const move of made.moves) {
        expect(hosts.get(move.destinationHostId)?.status).toBe('up');
        expect(hosts.get(move.sourceHostId)?.status).toBe(move.kind === 'balance' ? 'up' : 'preparing_for_maintenance');
      }
    });
  });

  test('lowers imbalance with each balance move, by at least MinimumGain on its two hosts', () => {
    always((state, made, policy) => {
      const evacuations = made.moves.filter((move) => move.kind === 'evacuation');
      const balancing = made.moves.filter((move) => move.kind === 'balance');
      expect(made.moves).toEqual([...evacuations, ...balancing]);
      let before = imbalance(started(state, evacuations));
      balancing.forEach((move, index) => {
        if (policy.name === 'evenly_distributed') {
          expect(move.gain).toBeGreaterThanOrEqual(policy.parameters.MinimumGain);
        }
        const after = imbalance(started(state, [...evacuations, ...balancing.slice(0, index + 1)]));
        expect(after).toBeLessThan(before);
        before = after;
      });
      expect(made.imbalanceBefore).toBeCloseTo(imbalance(state), 9);
      expect(made.imbalanceAfter).toBeCloseTo(before, 9);
    });
  });

  test('is the same in whatever order hosts, VMs and moves under way are listed', () => {
    fc.assert(
      fc.property(facts, anyPolicy, anyLimit, fc.infiniteStream(fc.nat(1000)), (state, policy, limit, dice) => {
        const shuffled = <T>(items: readonly T[]): T[] =>
          items
            .map((item) => ({ item, key: dice.next().value as number }))
            .sort((a, b) => a.key - b.key)
            .map(({ item }) => item);
        const { hosts, vms, inFlight } = state;
        const other = { hosts: shuffled(hosts), vms: shuffled(vms), inFlight: shuffled(inFlight) };
        expect(plan(other, policy, limits(limit), NOW)).toEqual(plan(state, policy, limits(limit), NOW));
      }),
      RUNS,
    );
  });

  test('has nothing to add while its moves are under way, unless balancing made room for an evacuation', () => {
    always((state, made, policy, limit) => {
      const again = plan(started(state, made.moves), policy, limits(limit), NOW);
      if (!again.moves.some((move) => move.kind === 'evacuation')) expect(again.moves).toEqual([]);
      else expect(made.moves.some((move) => move.kind === 'balance')).toBe(true);
    });
  });

  test('leads to rest: plan after plan, no VM is moved once loads stay the same, and imbalance never rises', () => {
    fc.assert(
      fc.property(facts, parameters.map(evenly), anyLimit, (start, policy, limit) => {
        let state: ClusterFacts = { ...arrived(start, flights(start)), inFlight: [] };
        for (let round = 0; round < 200; round++) {
          const made = plan(state, policy, limits(limit), NOW);
          if (made.moves.length === 0) return;
          if (made.moves.every((move) => move.kind === 'balance')) {
            expect(made.imbalanceAfter).toBeLessThan(made.imbalanceBefore);
          }
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
    name: fc.constant('new'),
    vcpus: fc.integer({ min: 1, max: 10 }),
    memoryMiB: fc.integer({ min: 16, max: 9000 }),
  });
  fc.assert(
    fc.property(facts, anyPolicy, newVm, (state, policy, vm) => {
      const choice = placeVm(state, vm, policy);
      const fits = (host: ClusterFacts['hosts'][number]) =>
        host.status === 'up' &&
        vm.vcpus <= host.cpuCores &&
        memoryHeldMiB(state, host.id) + vm.memoryMiB + (policy.name === 'none' ? 0 : 64) <= host.memoryMiB;
      const possible = state.hosts.filter(fits).map((host) => host.id);
      if (choice.hostId === null) {
        expect(possible).toEqual([]);
        expect(choice.refusals.map((refusal) => refusal.hostId).sort()).toEqual(
          state.hosts.map((host) => host.id).sort(),
        );
      } else expect(possible).toContain(choice.hostId);
    }),
    RUNS,
  );
});

/** Moves under way as moves of a plan. */
function flights(state: ClusterFacts): Move[] {
  return state.inFlight.map((flight) => ({ ...flight, reason: '', gain: 0, kind: 'balance' }));
}
