/** Plans whose moves wait for each other: chains, exchanges, and more moves than hosts may have at once. */
import { describe, expect, test } from 'vitest';
import { NOW, cluster, evenly, limits, vm } from './cluster.fixture.js';
import { type Plan, plan } from './index.js';

const nameOf = (id: string) => id.replace('id-of-', '');
/** `a>h2`, and behind it the moves that it waits for. */
const steps = ({ moves }: Plan) =>
  moves.map(({ vmId, destinationHostId, waitsFor }) =>
    [`${nameOf(vmId)}>${destinationHostId}`, ...waitsFor].join(' after '),
  );

describe('more moves than hosts may have at once', () => {
  const eight = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => vm(name, 'h1'));

  test('wait for each other, host by host, in as many lanes as there may be migrations', () => {
    const facts = cluster({ h1: { status: 'preparing_for_maintenance' }, h2: {}, h3: {} }, eight.slice(0, 6));
    const made = plan(facts, { name: 'none' }, limits(2), NOW);
    expect(steps(made)).toEqual(['a>h2', 'b>h3', 'c>h2 after 0', 'd>h3 after 1', 'e>h2 after 2', 'f>h3 after 3']);
    expect(made.refusals).toEqual([]);
  });

  test('do not wait in lanes that migrations under way take', () => {
    const facts = {
      ...cluster({ h1: { status: 'preparing_for_maintenance' }, h2: {}, h3: {} }, eight.slice(0, 4)),
      inFlight: [{ vmId: 'id-of-a', sourceHostId: 'h1', destinationHostId: 'h2' }],
    };
    const made = plan(facts, { name: 'none' }, limits(2), NOW);
    expect(steps(made)).toEqual(['b>h3', 'c>h2 after 0', 'd>h3 after 1']);
  });

  test('after four rounds are left for a later plan', () => {
    const facts = cluster({ h1: { status: 'preparing_for_maintenance' }, h2: {} }, eight);
    const made = plan(facts, { name: 'none' }, limits(1), NOW);
    expect(made.moves.map(({ waitsFor }) => waitsFor)).toEqual([[], [0], [1], [2]]);
    expect(made.refusals[0]?.reason).toBe(
      'e leaves h1 with a later plan: h1 takes part in 4 migrations, as many as one plan gives it',
    );
  });
});

describe('a VM that fits nowhere', () => {
  test('moves when another has made room for it', () => {
    const facts = cluster(
      { h1: { status: 'preparing_for_maintenance' }, h2: { memoryMiB: 1024 }, h3: { memoryMiB: 512 } },
      [vm('big', 'h1', { memoryMiB: 1024 }), vm('small', 'h2', { memoryMiB: 256 })],
    );
    const made = plan(facts, { name: 'none' }, limits(2), NOW);
    expect(steps(made)).toEqual(['small>h3', 'big>h2 after 0']);
    expect(made.moves.map(({ kind }) => kind)).toEqual(['make_room', 'evacuation']);
    expect(made.moves[0]?.reason).toBe('small makes room on h2 for big, which fits nowhere else');
    expect(made.summary).toMatch(
      /^1 VM to move off hosts that go into maintenance; 1 VM to move to make room for these/,
    );
  });

  test('moves after a chain of two', () => {
    const facts = cluster(
      {
        h1: { status: 'preparing_for_maintenance' },
        h2: { memoryMiB: 1024 },
        h3: { memoryMiB: 512 },
        h4: { memoryMiB: 256 },
      },
      [
        vm('big', 'h1', { memoryMiB: 1024 }),
        vm('middle', 'h2', { memoryMiB: 512 }),
        vm('small', 'h3', { memoryMiB: 256 }),
      ],
    );
    const made = plan(facts, { name: 'none' }, limits(2), NOW);
    expect(steps(made)).toEqual(['small>h4', 'middle>h3 after 0', 'big>h2 after 0 after 1']);
  });

  test('stays where those in its way rest, are pinned or bound by rules', () => {
    const facts = cluster(
      { h1: { status: 'preparing_for_maintenance' }, h2: { memoryMiB: 1024 }, h3: { memoryMiB: 512 } },
      [vm('big', 'h1', { memoryMiB: 1024 }), vm('small', 'h2', { memoryMiB: 256, cooldownUntilMs: NOW + 1 })],
    );
    expect(plan(facts, { name: 'none' }, limits(2), NOW).moves).toEqual([]);
  });
});

describe('where no single move helps, two VMs change places', () => {
  /** h1 is busy and has no free memory, h2 is idle and has none either. */
  const full = (freeMiB: number) => ({
    h1: { memoryMiB: 1024 + 64 + freeMiB },
    h2: { memoryMiB: 1024 + 64 + freeMiB },
  });
  const busy = vm('busy', 'h1', { memoryMiB: 512, cpuUsedCores: 2 });
  const idle = vm('idle', 'h2', { memoryMiB: 512, cpuUsedCores: 0 });
  const others = [
    vm('p', 'h1', { memoryMiB: 512, cpuUsedCores: 1, immovableReason: 'pinned' }),
    vm('q', 'h2', { memoryMiB: 512, cpuUsedCores: 0, immovableReason: 'pinned' }),
  ];
  const policy = evenly({ MaxFreeMemoryForOverUtilized: 0 });

  test('at once, if both hosts can hold both for a moment', () => {
    const made = plan(cluster(full(512), [busy, idle, ...others]), policy, limits(2), NOW);
    expect(steps(made)).toEqual(['busy>h2', 'idle>h1']);
  });

  test('and what makes sense only after that follows', () => {
    const facts = cluster({ h0: { cpuCores: 2, memoryMiB: 8192 }, h2: { cpuCores: 2, memoryMiB: 8192 } }, [
      vm('v0', 'h0', { cpuUsedCores: 0.01, memoryMiB: 64, immovableReason: 'pinned' }),
      vm('v1', 'h0', { cpuUsedCores: 0.52, memoryMiB: 1000 }),
      vm('v2', 'h0', { cpuUsedCores: 0.03, memoryMiB: 512, immovableReason: 'pinned' }),
      vm('v3', 'h2', { cpuUsedCores: 0.04, memoryMiB: 256 }),
      vm('v4', 'h2', { cpuUsedCores: 0, memoryMiB: 1000 }),
    ]);
    const eager = { ImbalanceThreshold: 0, MinimumGain: 0, MaxFreeMemoryForOverUtilized: 0, HorizonMinutes: 10_080 };
    const made = plan(facts, evenly({ ...eager, HighUtilization: 30 }), limits(1), NOW);
    expect(made.moves.map(({ kind }) => kind)).toEqual(['exchange', 'exchange', 'balance']);
    expect(made.imbalanceAfter).toBeLessThan(made.imbalanceBefore);
  });

  test('one after the other, if only one of them can', () => {
    const hosts = { ...full(0), h1: { memoryMiB: 1024 + 64 + 512 } };
    const made = plan(cluster(hosts, [busy, idle, ...others]), policy, limits(2), NOW);
    expect(steps(made)).toEqual(['idle>h1', 'busy>h2 after 0']);
  });

  test('by way of a third host, if neither can', () => {
    const facts = cluster({ ...full(0), h3: { memoryMiB: 1600, cpuCores: 1 } }, [
      busy,
      idle,
      ...others,
      vm('r', 'h3', { memoryMiB: 1024, cpuUsedCores: 0.35, immovableReason: 'pinned' }),
    ]);
    const made = plan(facts, policy, limits(2), NOW);
    expect(steps(made)).toEqual(['idle>h3', 'busy>h2 after 0', 'idle>h1 after 0 after 1']);
    expect(new Set(made.moves.map(({ kind }) => kind))).toEqual(new Set(['exchange']));
    expect(made.moves[0]?.reason).toMatch(
      /^busy on h1 and idle on h2 change places: no single move would help; .* idle waits on h3 until there is room$/,
    );
    expect(made.summary).toMatch(/^2 VMs to move to even out load/);
  });

  test('but not if the two moves cost more than they bring', () => {
    const facts = cluster({ ...full(0), h3: { memoryMiB: 576, cpuCores: 1 } }, [
      { ...busy, prediction: { bytes: 1, durationMs: 3_600_000, pauseMs: 0, slowdown: 0.5 } },
      idle,
      ...others,
    ]);
    expect(plan(facts, policy, limits(2), NOW).moves.filter(({ vmId }) => vmId === busy.id)).toEqual([]);
  });
});
