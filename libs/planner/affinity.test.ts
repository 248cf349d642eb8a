import { describe, expect, test } from 'vitest';
import { NOW, cluster, evenly, group, limits, rule, vm } from './cluster.fixture.js';
import { type ClusterFacts, type Plan, checkMove, placeVm, plan } from './index.js';

const routes = (made: Plan) => made.moves.map(({ vmId, destinationHostId }) => `${vmId.slice(6)}>${destinationHostId}`);
const none = { name: 'none' } as const;
const ruled = (facts: ClusterFacts, ...affinityGroups: ClusterFacts['affinityGroups']): ClusterFacts => ({
  ...facts,
  affinityGroups,
});
const small = { id: 'id-of-new', name: 'new', labels: [], vcpus: 1, memoryMiB: 128 };

describe('hard rules', () => {
  const apart = group('apart', ['a', 'new'], { vmsRule: rule(false, true) });
  const facts = cluster({ h1: {}, h2: {} }, [vm('a', 'h2'), vm('b', 'h1'), vm('c', 'h1'), vm('d', 'h1')]);

  test('keep VMs apart, also a new one', () => {
    expect(placeVm(facts, small, none, limits(2)).hostId).toBe('h2');
    expect(placeVm(ruled(facts, apart), small, none, limits(2)).hostId).toBe('h1');
  });

  test('bind administrators, and say which group it is', () => {
    const groups = group('pair', ['a', 'b'], { vmsRule: rule(false, true) });
    expect(checkMove(ruled(facts, groups), 'id-of-b', 'h2', limits(2))).toEqual({
      ok: false,
      reason: 'h2: affinity group pair keeps it apart from a VM on h2',
    });
  });

  test('keep VMs on hosts, or away from them, by name or by label', () => {
    const gpu = cluster({ h1: { labels: ['gpu'] }, h2: {}, h3: { labels: ['gpu'] } }, []);
    const wants = (positive: boolean) =>
      group('gpu', ['new'], { hostsRule: rule(positive, true), hostLabels: ['gpu'] });
    expect(placeVm(ruled(gpu, wants(false)), small, none, limits(2)).hostId).toBe('h2');
    expect(placeVm(ruled(gpu, wants(true)), small, none, limits(2)).hostId).toBe('h1');
    const labelled = group('gpu', [], { hostsRule: rule(true, true), hostIds: ['h3'], vmLabels: ['cuda'] });
    expect(placeVm(ruled(gpu, labelled), { ...small, labels: ['cuda'] }, none, limits(2)).hostId).toBe('h3');
  });

  test('let VMs that belong together leave a host together, and never for balance alone', () => {
    const together = group('together', ['a', 'b'], { vmsRule: rule(true, true) });
    const full = cluster({ h1: { status: 'preparing_for_maintenance' }, h2: { memoryMiB: 400 }, h3: {} }, [
      vm('a', 'h1'),
      vm('b', 'h1'),
      vm('c', 'h3', { cpuUsedCores: 2, memoryMiB: 3400 }),
    ]);
    expect(routes(plan(full, none, limits(2), NOW))).toEqual(['a>h2', 'b>h3']);
    expect(routes(plan(ruled(full, together), none, limits(2), NOW))).toEqual(['a>h3', 'b>h3']);
    const uneven = cluster({ h1: {}, h2: {} }, [
      vm('a', 'h1', { cpuUsedCores: 1 }),
      vm('b', 'h1', { cpuUsedCores: 1 }),
    ]);
    expect(routes(plan(uneven, evenly(), limits(2), NOW))).toHaveLength(1);
    expect(routes(plan(ruled(uneven, together), evenly(), limits(2), NOW))).toEqual([]);
  });
});

describe('soft rules', () => {
  test('decide between hosts that are about equal, and give way where load matters more', () => {
    const prefers = group('prefers', ['new'], { hostsRule: rule(true, false), hostIds: ['h2'] });
    const facts = (cores: number) =>
      ruled(cluster({ h1: {}, h2: {} }, [vm('a', 'h2', { cpuUsedCores: cores })]), prefers);
    expect(placeVm(facts(0.2), small, none, limits(2)).hostId).toBe('h2');
    expect(placeVm(facts(3), small, none, limits(2)).hostId).toBe('h1');
  });

  test('count when load is balanced: of two equal VMs the one leaves that they do not hold', () => {
    const stays = group('stays', ['a'], { hostsRule: rule(true, false), hostIds: ['h1'] });
    const facts = cluster({ h1: {}, h2: {} }, [vm('a', 'h1'), vm('b', 'h1'), vm('c', 'h1'), vm('d', 'h1')]);
    expect(routes(plan(facts, evenly(), limits(4), NOW))).toEqual(['a>h2', 'b>h2']);
    expect(routes(plan(ruled(facts, stays), evenly(), limits(4), NOW))).toEqual(['b>h2', 'c>h2']);
  });
});
