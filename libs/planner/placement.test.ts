import { expect, test } from 'vitest';
import { NOW, cluster, evenly, group, limits, rule, vm } from './cluster.fixture.js';
import { explainPlacement } from './index.js';

const uneven = cluster({ h1: {}, h2: {}, h3: { status: 'maintenance' } }, [
  vm('a', 'h1'),
  vm('b', 'h1'),
  vm('c', 'h1'),
]);

test('every host has a score and a reason, the best comes first', () => {
  const { answer, destinationHostId, hosts } = explainPlacement(uneven, 'id-of-a', evenly(), limits(2), NOW);
  expect(destinationHostId).toBe('h2');
  expect(answer).toMatch(/^h1 runs at CPU 38 %.*moving a there takes/);
  expect(hosts.map(({ hostId, obstacle, isCurrent }) => [hostId, obstacle, isCurrent])).toEqual([
    ['h2', null, false],
    ['h1', null, true],
    ['h3', 'not_up', false],
  ]);
  expect(hosts[0]!.score!).toBeLessThan(hosts[1]!.score!);
  expect(hosts[0]!.reason).toMatch(/^it could move here in about 2\.\d s, with a pause of 30 ms$/);
  expect(hosts[2]).toMatchObject({ score: null, reason: 'h3 is in maintenance' });
});

test('why it does not move: it may not, it rests, it is refused, or nothing asks for it', () => {
  const ask = (more: object, policy: Parameters<typeof explainPlacement>[2] = evenly()) =>
    explainPlacement(cluster({ h1: {}, h2: {} }, [vm('a', 'h1', more)]), 'id-of-a', policy, limits(2), NOW).answer;
  expect(ask({ immovableReason: 'a is pinned; unpin it' })).toBe('a is pinned; unpin it');
  expect(ask({ cooldownUntilMs: NOW + 60_000 })).toMatch(/^a rests after its last migration/);
  expect(ask({ cpuUsedCores: 2 })).toMatch(/would change imbalance by/);
  expect(ask({}, { name: 'none' })).toBe(
    'nothing asks for it to move: no rule is broken, and policy none is content with h1',
  );
});

test('rules that it would break are told for each host', () => {
  const prefers = group('prefers', ['a'], { hostsRule: rule(true, false), hostIds: ['h1'] });
  const facts = { ...uneven, affinityGroups: [prefers] };
  const { hosts } = explainPlacement(facts, 'id-of-a', evenly(), limits(2), NOW);
  expect(hosts.find(({ hostId }) => hostId === 'h2')!.broken).toEqual([
    'affinity group prefers wants it on h1, not on h2',
  ]);
});
