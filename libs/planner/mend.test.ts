import { describe, expect, test } from 'vitest';
import { NOW, cluster, evenly, group, limits, rule, vm } from './cluster.fixture.js';
import { type ClusterFacts, type Plan, plan } from './index.js';

const routes = (made: Plan) => made.moves.map(({ vmId, destinationHostId }) => `${vmId.slice(6)}>${destinationHostId}`);
const refusalsOf = (made: Plan, name: string) =>
  made.refusals.filter(({ vmId }) => vmId === `id-of-${name}`).map(({ reason }) => reason);
const none = { name: 'none' } as const;
const ruled = (facts: ClusterFacts, ...affinityGroups: ClusterFacts['affinityGroups']): ClusterFacts => ({
  ...facts,
  affinityGroups,
});

describe('broken rules are mended under every policy', () => {
  const facts = cluster({ h1: {}, h2: {}, h3: {} }, [vm('a', 'h1'), vm('b', 'h1'), vm('c', 'h1')]);

  test('VMs that shall be apart part', () => {
    const apart = group('apart', ['a', 'b', 'c'], { vmsRule: rule(false, true) });
    const made = plan(ruled(facts, apart), none, limits(2), NOW);
    expect(routes(made)).toEqual(['a>h2', 'b>h3']);
    expect(made.moves[0]).toMatchObject({
      kind: 'affinity',
      reason: 'affinity group apart keeps it apart from a VM on h1; on h2 the rules hold',
    });
    expect(made.summary).toContain('2 VMs to move to where affinity groups want them');
  });

  test('one after the other, within the limit of migrations', () => {
    const apart = group('apart', ['a', 'b', 'c'], { vmsRule: rule(false, true) });
    const made = plan(ruled(facts, apart), none, limits(1), NOW);
    expect(routes(made)).toEqual(['a>h2', 'b>h3']);
    expect(made.moves[1]!.waitsFor).toEqual([0]);
  });

  test('VMs that shall be together gather where most of them are', () => {
    const scattered = cluster({ h1: {}, h2: {} }, [vm('a', 'h1'), vm('b', 'h2'), vm('c', 'h2')]);
    const together = group('together', ['a', 'b', 'c'], { vmsRule: rule(true, true) });
    expect(routes(plan(ruled(scattered, together), none, limits(2), NOW))).toEqual(['a>h2']);
  });

  test('VMs that are bound to a host and to each other move there together', () => {
    const together = group('together', ['a', 'b'], { vmsRule: rule(true, true) });
    const bound = group('bound', ['a'], { hostsRule: rule(true, true), hostIds: ['h3'] });
    expect(routes(plan(ruled(facts, together, bound), none, limits(2), NOW))).toEqual(['a>h3', 'b>h3']);
  });

  test('what cannot move is told, with what to do', () => {
    const bound = group('bound', ['a'], { hostsRule: rule(true, true), hostIds: ['h3'] });
    const pinned = cluster({ h1: {}, h3: {} }, [vm('a', 'h1', { immovableReason: 'a is pinned; unpin it' })]);
    expect(refusalsOf(plan(ruled(pinned, bound), none, limits(2), NOW), 'a')).toEqual([
      'affinity group bound wants it on h3, not on h1; but a is pinned; unpin it',
    ]);
    const full = cluster({ h1: {}, h3: { memoryMiB: 128 } }, [vm('a', 'h1')]);
    expect(refusalsOf(plan(ruled(full, bound), none, limits(2), NOW), 'a').join()).toContain('make room, add a host');
  });

  test('soft rules as far as balance allows', () => {
    const near = group('near', ['a', 'b'], { vmsRule: rule(true, false) });
    const two = cluster({ h1: {}, h2: {} }, [vm('a', 'h1'), vm('b', 'h2')]);
    expect(routes(plan(ruled(two, near), evenly(), limits(2), NOW))).toEqual([]);
    expect(routes(plan(ruled(two, near), none, limits(2), NOW))).toEqual(['a>h2']);
    const light = { cpuUsedCores: 0.1 };
    const small = cluster({ h1: {}, h2: {} }, [vm('a', 'h1', light), vm('b', 'h2', light)]);
    expect(routes(plan(ruled(small, near), evenly(), limits(2), NOW))).toEqual(['a>h2']);
  });
});
