/** What the use of the network by VMs decides, and what is said where nobody knows it. */
import { expect, test } from 'vitest';
import { NOW, cluster, evenly, limits, vm } from './cluster.fixture.js';
import { explainPlacement, type HostFacts, plan, type VmFacts } from './index.js';

const GIGABIT_MIBPS = 112;
const policy = evenly({ HorizonMinutes: 600 });
const sending = (name: string, hostId: string, networkUsedMiBps: number | null, more: Partial<VmFacts> = {}) =>
  vm(name, hostId, { networkUsedMiBps, cpuUsedCores: 0.1, ...more });
const linked = (more: Partial<HostFacts> = {}) => ({ networkMiBps: GIGABIT_MIBPS, ...more });
const planFor = (facts: ReturnType<typeof cluster>) => plan(facts, policy, limits(4), NOW);

test('VMs leave a host whose link they fill, though its CPU and memory are like those of others', () => {
  const facts = cluster({ a: linked(), b: linked() }, [
    sending('v1', 'a', 50),
    sending('v2', 'a', 50),
    sending('v3', 'b', 0),
    sending('v4', 'b', 0),
  ]);
  const { moves } = planFor(facts);
  // One of the two that send goes, or changes places with one that does not.
  const sends = (hostId: string) =>
    facts.vms
      .filter(
        ({ id, hostId: home }) => (moves.findLast(({ vmId }) => vmId === id)?.destinationHostId ?? home) === hostId,
      )
      .reduce((sum, { networkUsedMiBps }) => sum + networkUsedMiBps!, 0);
  expect([sends('a'), sends('b')]).toEqual([50, 50]);
});

test('where the link of one host is not known, the network does not count in scores; the links that are known still limit', () => {
  const vms = [sending('v1', 'a', 60, { cpuUsedCores: 2 }), sending('v2', 'a', 0, { cpuUsedCores: 2 })];
  const full = [sending('v3', 'b', 80, { cpuUsedCores: 0 })];
  const even = planFor(cluster({ a: { networkMiBps: null }, b: linked() }, [...vms, ...full]));
  expect(even.moves.map(({ vmId }) => vmId)).toEqual(['id-of-v2']); // v1 would fill the link of b to 125 %
  const leaving = cluster({ a: { status: 'preparing_for_maintenance' }, b: linked() }, [...vms, ...full]);
  const { moves, refusals } = planFor(leaving);
  expect(moves.map(({ vmId }) => vmId)).toEqual(['id-of-v2']);
  expect(refusals.map(({ reason }) => reason)).toContain('the link of b would be used to 125 %');
});

test('a VM whose use nobody knows is moved, and every explanation says that it is not known', () => {
  const facts = cluster({ a: linked(), b: linked() }, [
    sending('v1', 'a', null, { cpuUsedCores: 2 }),
    sending('v2', 'a', 10, { cpuUsedCores: 1.5 }),
  ]);
  const { moves, summary } = planFor(facts);
  expect(moves).toHaveLength(1);
  expect(moves[0]!.reason).toMatch(/a runs at CPU 88 %, memory 13 %, network 9 %, that of 1 VM unknown/);
  expect(summary).toMatch(/; the use of the network by 1 VM is unknown and counts as none$/);
  const { answer, hosts } = explainPlacement(facts, 'id-of-v1', policy, limits(4), NOW);
  expect(answer).toMatch(/its use of the network is unknown and counts as none$/);
  expect(hosts.find(({ isCurrent }) => isCurrent)!.networkPercent).toBeCloseTo(8.93, 2);
});

test('where no link is known, nothing is said of the network', () => {
  const facts = cluster({ a: {}, b: {} }, [sending('v1', 'a', null, { cpuUsedCores: 3 }), sending('v2', 'a', null)]);
  const { moves, summary } = planFor(facts);
  const { answer, hosts } = explainPlacement(facts, 'id-of-v1', policy, limits(4), NOW);
  expect([summary, answer, ...moves.map(({ reason }) => reason)].join()).not.toMatch(/network/);
  expect(hosts.map(({ networkPercent }) => networkPercent)).toEqual([null, null]);
});
