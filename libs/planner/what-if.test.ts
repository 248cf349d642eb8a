import { expect, test } from 'vitest';
import { cluster, evenly, limits, NOW, vm } from './cluster.fixture.js';
import { type HostPower, plan, whatIf } from './index.js';
import { wattsAt } from './power-curve.js';

const power: HostPower = {
  wattsAt: [100, 200],
  wakeUp: 'proven',
  bootSeconds: 60,
  isParked: false,
  sinceMs: 0,
  ageYears: null,
};
/** Two VMs on a, one on b; four cores each. */
const small = cluster({ a: { power }, b: { power } }, [vm('x', 'a'), vm('y', 'a'), vm('z', 'b')]);
const newVm = (name: string, memoryMiB = 256) => ({ id: name, name, labels: [], vcpus: 1, memoryMiB });
const nothingElse = { withoutHostIds: [], newVms: [] };

test('nothing supposed is the plan itself', () => {
  const { plan: made, ...rest } = whatIf(small, { policy: evenly(), ...nothingElse }, limits(2), NOW);
  expect(made).toEqual(plan(small, evenly(), limits(2), NOW));
  // 1 of 4 cores on a is 125 W, half a core on b is 112.5 W.
  expect(rest).toMatchObject({ wattsBefore: 237.5, wattsAfter: 237.5, placements: [] });
});

test('without a host its VMs go elsewhere, and it draws nothing', () => {
  const answer = whatIf(small, { policy: { name: 'none' }, withoutHostIds: ['a'], newVms: [] }, limits(2), NOW);
  expect(answer.plan.moves.map(({ vmId, destinationHostId }) => [vmId, destinationHostId])).toEqual([
    ['id-of-x', 'b'],
    ['id-of-y', 'b'],
  ]);
  expect(answer.wattsAfter).toBe(137.5); // 1.5 of 4 cores
  expect(small.hosts[0]!.status).toBe('up');
});

test('new VMs are placed one after the other, and count for the next', () => {
  const newVms = [newVm('big', 3000), newVm('second', 3000), newVm('third', 3000)];
  const { placements } = whatIf(small, { policy: { name: 'none' }, withoutHostIds: [], newVms }, limits(2), NOW);
  expect(placements.map(({ choice }) => choice.hostId)).toEqual(['b', 'a', null]);
  expect(placements[2]!.choice.reason).toContain('none of 2 hosts can take third');
});

test('a host that is not there is named; where a power curve is not known, nothing is said about watts', () => {
  const ask = (facts: typeof small, withoutHostIds: string[]) =>
    whatIf(facts, { policy: { name: 'none' }, withoutHostIds, newVms: [] }, limits(2), NOW);
  expect(() => ask(small, ['c'])).toThrow('there is no host c in this cluster');
  expect(ask(cluster({ a: { power }, b: {} }, []), [])).toMatchObject({ wattsBefore: null, wattsAfter: null });
});

test('power curves are straight lines between their points', () => {
  expect([-1, 0, 0.25, 0.75, 1, 2].map((load) => wattsAt([100, 120, 180], load))).toEqual([
    100, 100, 110, 150, 180, 180,
  ]);
});
