import { describe, expect, test } from 'vitest';
import { NOW, arrived, cluster, evenly, limits, started, vm } from './cluster.fixture.js';
import { type ClusterFacts, type Plan, imbalance, plan } from './index.js';

const none = { name: 'none' } as const;
const routes = (made: Plan) =>
  made.moves.map((move) => `${move.vmId.slice('id-of-'.length)}>${move.destinationHostId}`);
const refusalsOf = (made: Plan, name: string) =>
  made.refusals.filter((refusal) => refusal.vmId === `id-of-${name}`).map((refusal) => refusal.reason);
const perHost = (facts: ClusterFacts) =>
  facts.hosts.map((host) => facts.vms.filter((each) => each.hostId === host.id).length);

const eager = (HighUtilization: number) => evenly({ HighUtilization, ImbalanceThreshold: 1, MinimumGain: 0.1 });

const six = (hostId: string) => ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => vm(name, hostId));
const sixOnOne = () => cluster({ h1: {}, h2: {}, h3: {} }, six('h1'));

describe('imbalance', () => {
  test('is 0 when all hosts are loaded alike, and without hosts', () => {
    expect(imbalance(cluster({ h1: {}, h2: {} }, [vm('a', 'h1'), vm('b', 'h2')]))).toBe(0);
    expect(imbalance(cluster({}, []))).toBe(0);
  });

  test('is the standard deviation of utilisation when CPU and memory go together', () => {
    // h1 uses all of both, h2 nothing: 100 % and 0 % are 50 points from the average.
    const facts = cluster({ h1: {}, h2: {} }, [vm('a', 'h1', { cpuUsedCores: 4, memoryMiB: 4096 })]);
    expect(imbalance(facts)).toBeCloseTo(50, 9);
  });

  test('does not mind sizes: a large host may carry more', () => {
    const facts = cluster({ h1: { cpuCores: 8, memoryMiB: 8192 }, h2: {} }, [
      vm('a', 'h1', { cpuUsedCores: 2, memoryMiB: 2048 }),
      vm('b', 'h2', { cpuUsedCores: 1, memoryMiB: 1024 }),
    ]);
    expect(imbalance(facts)).toBe(0);
  });

  test('leaves out hosts that are not up', () => {
    const facts = cluster({ h1: {}, h2: { status: 'maintenance' } }, [vm('a', 'h1')]);
    expect(imbalance(facts)).toBe(0);
  });
});

describe('evenly_distributed', () => {
  test('spreads six VMs on one of three hosts 2/2/2, two moves at a time', () => {
    const facts = sixOnOne();
    const policy = evenly();
    const made = plan(facts, policy, limits(2), NOW);
    expect(made.moves.filter(({ waitsFor }) => waitsFor.length === 0)).toHaveLength(2);
    expect(plan(started(facts, made.moves), policy, limits(2), NOW).moves).toEqual([]);
    expect(perHost(arrived(facts, made.moves))).toEqual([2, 2, 2]);
    expect(plan(arrived(facts, made.moves), policy, limits(2), NOW).moves).toEqual([]);
  });

  test('says why in figures, and that others wait', () => {
    const made = plan(sixOnOne(), evenly(), limits(2), NOW);
    expect(made.moves[0]).toMatchObject({
      vmId: 'id-of-a',
      sourceHostId: 'h1',
      destinationHostId: 'h2',
      kind: 'balance',
    });
    expect(made.moves[0]?.reason).toBe(
      'h1 runs at CPU 75 %, memory 38 %; h2 at CPU 0 %, memory 0 %; moving a there takes 9.2 points of imbalance ' +
        "off the two, the cluster's falls from 28.0 to 21.3",
    );
    expect(made.imbalanceBefore).toBeCloseTo(27.95, 2);
    expect(made.moves.map(({ waitsFor }) => waitsFor)).toEqual([[], [], [0], [1]]);
    expect(made.summary).toBe('4 VMs to move to even out load; imbalance 28.0 -> 0.0');
  });

  test('moves nothing below the threshold', () => {
    const facts = cluster({ h1: {}, h2: {} }, [vm('a', 'h1', { cpuUsedCores: 0.3 }), vm('b', 'h2')]);
    expect(imbalance(facts)).toBeLessThan(5);
    const made = plan(facts, evenly(), limits(2), NOW);
    expect(made.moves).toEqual([]);
    expect(made.summary).toBe('nothing has to move; imbalance 1.8');
  });

  test('looks at memory too: CPU is even, one host is full of memory', () => {
    const facts = cluster({ h1: {}, h2: {} }, [
      vm('a', 'h1', { memoryMiB: 1500, cpuUsedCores: 0 }),
      vm('b', 'h1', { memoryMiB: 1500, cpuUsedCores: 0 }),
      vm('c', 'h1', { memoryMiB: 64, cpuUsedCores: 1 }),
      vm('d', 'h2', { memoryMiB: 64, cpuUsedCores: 1 }),
    ]);
    expect(routes(plan(facts, evenly(), limits(4), NOW))).toEqual(['a>h2']);
  });

  test('makes no move that gains less than MinimumGain, and says so', () => {
    // One VM of 50 % and 50 %: wherever it runs, the other host is empty.
    const facts = cluster({ h1: {}, h2: {} }, [vm('big', 'h1', { cpuUsedCores: 2, memoryMiB: 2048 })]);
    const made = plan(facts, evenly(), limits(2), NOW);
    expect(made.moves).toEqual([]);
    expect(refusalsOf(made, 'big')[0]).toBe(
      'moving big to h2 would change imbalance by 0.0 points; a move must take off 1.0',
    );
    const mild = cluster({ h1: {}, h2: {} }, [...six('h1').slice(0, 3), ...['g', 'h'].map((name) => vm(name, 'h2'))]);
    expect(plan(mild, evenly({ ImbalanceThreshold: 1, MinimumGain: 20 }), limits(2), NOW).moves).toEqual([]);
  });

  test('does not fill a destination beyond HighUtilization', () => {
    const facts = cluster({ h1: {}, h2: { cpuCores: 1 } }, [
      vm('a', 'h1', { cpuUsedCores: 0.9 }),
      vm('b', 'h1', { cpuUsedCores: 0.9 }),
      vm('c', 'h1', { cpuUsedCores: 0.9 }),
    ]);
    expect(routes(plan(facts, eager(90), limits(2), NOW))).toEqual(['a>h2']);
    const made = plan(facts, eager(89), limits(2), NOW);
    expect(made.moves).toEqual([]);
    expect(refusalsOf(made, 'a')[0]).toBe('h2 would run at CPU 90 %, over 89 %');
  });

  test('keeps MinFreeMemoryForUnderUtilized free on a destination, and counts moves under way on both ends', () => {
    const small = { h1: { memoryMiB: 1700 }, h2: { memoryMiB: 600 } };
    const facts = cluster(small, six('h1'));
    // 256 + 256 + 64 fit into 600 MiB, a third VM does not.
    const once = plan(facts, evenly(), limits(6), NOW);
    expect(routes(once)).toEqual(['a>h2', 'b>h2']);
    const reserve = evenly({ MinFreeMemoryForUnderUtilized: 89, MaxFreeMemoryForOverUtilized: 0 });
    expect(routes(plan(facts, reserve, limits(6), NOW))).toEqual(['a>h2']);

    // x is leaving h2, but holds its memory there until it has arrived.
    const leaving = {
      ...cluster(small, [...six('h1'), vm('x', 'h2', { memoryMiB: 100 })]),
      inFlight: [{ vmId: 'id-of-x', sourceHostId: 'h2', destinationHostId: 'h1' }],
    };
    expect(routes(plan(leaving, evenly(), limits(6), NOW))).toEqual(['a>h2']);
  });

  test('relieves a host that has been over-utilized long enough, though the cluster is even enough', () => {
    const hot = { cpuCores: 4, overUtilizedSinceMs: NOW - 120_000 };
    const facts = cluster({ h1: hot, h2: {} }, [
      ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => vm(name, 'h1')),
      ...['m', 'n', 'o', 'p'].map((name) => vm(name, 'h2')),
    ]);
    const policy = evenly({ ImbalanceThreshold: 40 });
    const made = plan(facts, policy, limits(2), NOW);
    expect(routes(made)).toEqual(['a>h2']);
    expect(made.moves[0]?.reason).toMatch(/^h1 has been over CPU 80 % for 2\.0 minutes; h1 runs at CPU 88 %/);
    expect(plan(facts, policy, limits(2), NOW - 1).moves).toEqual([]);
  });

  test('relieves a host that runs out of memory at once', () => {
    const facts = cluster({ h1: { memoryMiB: 1600 }, h2: {} }, six('h1'));
    const made = plan(facts, evenly({ ImbalanceThreshold: 90 }), limits(2), NOW);
    expect(routes(made)).toEqual(['a>h2']);
    expect(made.moves[0]?.reason).toMatch(/^h1 has 64 MiB of memory free, less than 128/);
  });

  test('explains why an over-utilized host cannot be relieved', () => {
    const facts = cluster({ h1: { overUtilizedSinceMs: NOW - 600_000 }, h2: { memoryMiB: 2048 } }, [
      vm('a', 'h1', { cpuUsedCores: 1.8, memoryMiB: 2000 }),
      vm('b', 'h1', { cpuUsedCores: 1.8, memoryMiB: 2000 }),
    ]);
    const made = plan(facts, evenly({ ImbalanceThreshold: 90 }), limits(2), NOW);
    expect(made.moves).toEqual([]);
    expect(refusalsOf(made, 'a')[0]).toBe(
      'h2 has 2048 MiB of memory free, the VM needs 2000 MiB and 64 MiB must stay free',
    );
  });

  test('leaves VMs alone that rest, that are not up, or that cannot move, and says why', () => {
    const facts = cluster({ h1: {}, h2: {} }, [
      vm('a', 'h1', { cooldownUntilMs: NOW + 41_500 }),
      vm('b', 'h1', { status: 'paused' }),
      vm('c', 'h1', { immovableReason: 'c uses a device of h1; detach it first' }),
      vm('d', 'h1', { cooldownUntilMs: NOW }),
      vm('e', 'h1', { status: 'starting' }),
    ]);
    const made = plan(facts, evenly(), limits(4), NOW);
    expect(routes(made)).toEqual(['d>h2']);
    expect(refusalsOf(made, 'a')).toEqual([
      'a rests after its last migration; policies leave it where it is until 13:47:21 UTC',
    ]);
    expect(refusalsOf(made, 'b')).toEqual(['b is paused; resume it or stop it']);
    expect(refusalsOf(made, 'c')).toEqual(['c uses a device of h1; detach it first']);
    expect(refusalsOf(made, 'e')).toEqual(['e is starting; it can move once it is up']);
  });

  test('uses no host that is not up', () => {
    const facts = cluster(
      { h1: {}, h2: { status: 'maintenance' }, h3: { status: 'non_responsive' }, h4: { status: 'installing' } },
      six('h1'),
    );
    expect(plan(facts, evenly(), limits(6), NOW).moves).toEqual([]);
  });

  test('moves VMs in a large cluster too: the gain of a move does not shrink with the number of hosts', () => {
    const names = Array.from({ length: 200 }, (_, index) => `h${index}`);
    const vms = names.flatMap((name, index) => (index % 2 ? [] : [vm(`${name}a`, name), vm(`${name}b`, name)]));
    const facts = cluster(Object.fromEntries(names.map((name) => [name, { cpuCores: 2, memoryMiB: 1024 }])), vms);
    const made = plan(facts, evenly(), limits(2), NOW);
    expect(made.imbalanceBefore).toBeCloseTo(25, 0);
    expect(made.moves.length).toBeGreaterThan(80);
    expect(made.imbalanceAfter).toBeLessThanOrEqual(5);
  });
});

describe('evacuation', () => {
  const leaving = { status: 'preparing_for_maintenance' } as const;

  test('empties a host whatever the policy and the cooldown, largest memory first', () => {
    const facts = cluster({ h1: leaving, h2: {}, h3: {} }, [
      vm('a', 'h1', { cooldownUntilMs: NOW + 60_000 }),
      vm('b', 'h1', { memoryMiB: 1024 }),
      vm('c', 'h2'),
    ]);
    const made = plan(facts, none, limits(2), NOW);
    expect(routes(made)).toEqual(['b>h3', 'a>h2']);
    expect(made.moves[0]).toMatchObject({ kind: 'evacuation', gain: 0 });
    expect(made.moves[0]?.reason).toBe(
      'h1 is to be emptied for maintenance; of the hosts with room h3 (CPU 0 %, memory 0 %) suits b best',
    );
    expect(made.summary).toMatch(/^2 VMs to move off hosts that go into maintenance; imbalance /);
  });

  test('goes on within the limit of a plan and then ends', () => {
    let facts = cluster({ h1: leaving, h2: {}, h3: {} }, six('h1'));
    const left: number[] = [];
    for (let round = 0; round < 3; round++) {
      const made = plan(facts, none, limits(1), NOW);
      const waiting = made.refusals.filter((refusal) => refusal.reason.includes('with a later plan'));
      expect(made.moves.length + waiting.length).toBe(perHost(facts)[0]);
      facts = arrived(facts, made.moves);
      left.push(perHost(facts)[0]!);
    }
    expect(left).toEqual([2, 0, 0]);
    expect(perHost(facts)).toEqual([0, 3, 3]);
  });

  test('is not kept waiting by VMs that have yet to move themselves, but leaves them their place', () => {
    const made = (memoryMiB: number, isPromised: boolean) => {
      const away = ['x', 'y'].map((name) => vm(name, 'h3', { memoryMiB: 1500 }));
      const vms = [vm('a', 'h1', { memoryMiB }), vm('b', 'h2'), ...away];
      const facts = cluster({ h1: leaving, h2: {}, h3: { memoryMiB: 3100 } }, vms);
      const inFlight = away.map(({ id }) => ({ vmId: id, sourceHostId: 'h3', destinationHostId: 'h2', isPromised }));
      return routes(plan({ ...facts, inFlight }, none, limits(2), NOW));
    };
    expect(made(512, true)).toEqual(['a>h2']);
    expect(made(512, false)).toEqual([]); // h2 has as many migrations as it may have
    expect(made(1024, true)).toEqual([]); // 840 MiB are left
  });

  test('goes before balancing, which waits for it where hosts may have no more migrations at once', () => {
    const facts = cluster({ h1: leaving, h2: {}, h3: {} }, [
      vm('a', 'h1'),
      vm('b', 'h1'),
      ...['p', 'q', 'r', 's'].map((name) => vm(name, 'h2')),
    ]);
    const made = plan(facts, evenly(), limits(2), NOW);
    expect(routes(made)).toEqual(['a>h3', 'b>h3', 'p>h3']);
    expect(made.moves[2]?.waitsFor).toEqual([0]);
  });

  test('refuses what cannot go, with the reason for the VM and for each host', () => {
    const facts = cluster(
      { h1: leaving, h2: { memoryMiB: 1024 }, h3: { status: 'maintenance' }, h4: { cpuCores: 1 } },
      [
        vm('big', 'h1', { memoryMiB: 2048, vcpus: 2 }),
        vm('fixed', 'h1', { immovableReason: 'fixed has a disk on h1; move the disk first' }),
        vm('paused', 'h1', { status: 'paused' }),
      ],
    );
    const made = plan(facts, none, limits(2), NOW);
    expect(made.moves).toEqual([]);
    expect(made.refusals.filter((refusal) => refusal.vmId === 'id-of-big')).toEqual([
      {
        vmId: 'id-of-big',
        hostId: null,
        reason: 'h1 is to be emptied, but none of 3 other hosts can take big; make room, add a host, or stop the VM',
      },
      { vmId: 'id-of-big', hostId: 'h2', reason: 'h2 has 1024 MiB of memory free, the VM needs 2048 MiB' },
      { vmId: 'id-of-big', hostId: 'h4', reason: "h4 has 1 core, fewer than the VM's 2 vCPUs" },
      { vmId: 'id-of-big', hostId: 'h3', reason: 'h3 is in maintenance' },
    ]);
    expect(refusalsOf(made, 'fixed')).toEqual(['h1 is to be emptied, but fixed has a disk on h1; move the disk first']);
    expect(refusalsOf(made, 'paused')).toEqual(['h1 is to be emptied, but paused is paused; resume it or stop it']);
    expect(made.summary).toMatch(/^3 VMs kept in place for the reasons given/);
  });

  const leavingWith = (cpuUsedCores: number) =>
    cluster({ h1: leaving, h2: { cpuCores: 2 } }, [
      vm('a', 'h1', { cpuUsedCores }),
      vm('b', 'h2', { cpuUsedCores: 1.5 }),
    ]);

  test('may use a host up to its last core, but no further', () => {
    expect(routes(plan(leavingWith(0.5), evenly(), limits(2), NOW))).toEqual(['a>h2']);
    expect(refusalsOf(plan(leavingWith(0.6), evenly(), limits(2), NOW), 'a')).toContain(
      'h2 would run at CPU 105 %, over 100 %',
    );
  });
});

test('policy none moves nothing', () => {
  const made = plan(sixOnOne(), none, limits(2), NOW);
  expect(made).toMatchObject({ moves: [], refusals: [], summary: 'policy none moves nothing; imbalance 28.0' });
});

test('facts that contradict themselves are an error, not a plan', () => {
  expect(() => plan(cluster({ h1: {} }, [vm('a', 'h9')]), none, limits(2), NOW)).toThrow(/host h9/);
});
