/** Disks go with their VMs: a destination needs room for them. */
import { describe, expect, test } from 'vitest';
import { NOW, cluster, evenly, limits, vm } from './cluster.fixture.js';
import {
  checkMove,
  checkPlacement,
  chooseDestination,
  explainPlacement,
  type HostFacts,
  plan,
  type StorageRoom,
} from './index.js';

const disk = (sizeMiB: number, path = 'disks') => ({ storageDomain: `in ${path}`, path, sizeMiB });
const room = (freeMiB: number, path = 'disks', fileSystem = '1'): StorageRoom => ({ path, fileSystem, freeMiB });
const withRoom = (...storage: StorageRoom[]): Partial<HostFacts> => ({ storage });
const NONE = { name: 'none' } as const;

test('a VM goes where its disks find room, and it is said why nowhere else', () => {
  const facts = cluster({ a: {}, b: withRoom(room(1000)), c: withRoom(room(2000)) }, [
    vm('v', 'a', { localDisks: [disk(1500)] }),
  ]);
  expect(chooseDestination(facts, 'id-of-v', limits(4))).toMatchObject({ hostId: 'c' });
  expect(checkMove(facts, 'id-of-v', 'b', limits(4))).toEqual({
    ok: false,
    reason:
      'b has no room for disks: 1000 MiB are free in storage domain in disks, the VM needs 1500 MiB; make room there, or choose a shared storage domain',
  });
  const { hosts } = explainPlacement(facts, 'id-of-v', NONE, limits(4), NOW);
  expect(hosts.map(({ hostId, obstacle }) => [hostId, obstacle])).toContainEqual(['b', 'storage']);
});

test('of a host that does not say how much is free nothing is expected', () => {
  const facts = cluster({ a: {}, b: {}, c: withRoom(room(1, 'other')) }, [vm('v', 'a', { localDisks: [disk(1500)] })]);
  for (const host of ['b', 'c']) expect(checkMove(facts, 'id-of-v', host, limits(4))).toEqual({ ok: true });
});

test('several storage domains on one file system share its room', () => {
  const disks = [disk(600), disk(600, '/fast')];
  const facts = cluster(
    { a: {}, b: withRoom(room(1000), room(1000, '/fast')), c: withRoom(room(1000), room(1000, '/fast', '2')) },
    [vm('v', 'a', { localDisks: disks })],
  );
  expect(checkMove(facts, 'id-of-v', 'b', limits(4)).ok).toBe(false);
  expect(checkMove(facts, 'id-of-v', 'c', limits(4)).ok).toBe(true);
});

test('disks that are on their way count, those that have arrived do not', () => {
  const vms = [vm('v', 'a', { localDisks: [disk(600)] }), vm('w', 'a', { localDisks: [disk(600)] })];
  const facts = cluster({ a: {}, b: withRoom(room(1000)) }, vms);
  const underWay = { vmId: 'id-of-w', sourceHostId: 'a', destinationHostId: 'b' };
  expect(checkMove(facts, 'id-of-v', 'b', limits(4)).ok).toBe(true);
  expect(checkMove({ ...facts, inFlight: [underWay] }, 'id-of-v', 'b', limits(4)).ok).toBe(false);
  const arrived = facts.vms.map((each) => (each.name === 'w' ? { ...each, hostId: 'b' } : each));
  expect(checkMove({ ...facts, vms: arrived, inFlight: [underWay] }, 'id-of-v', 'b', limits(4)).ok).toBe(true);
});

describe('a plan', () => {
  test('empties a host as far as disks find room elsewhere', () => {
    const vms = ['u', 'v', 'w'].map((name) => vm(name, 'a', { localDisks: [disk(600)] }));
    const facts = cluster({ a: { status: 'preparing_for_maintenance' }, b: withRoom(room(1300)) }, vms);
    const { moves, refusals } = plan(facts, evenly(), limits(4), NOW);
    expect(moves).toHaveLength(2);
    expect(refusals.map(({ reason }) => reason).join()).toContain('b has no room for disks: 100 MiB are free');
  });

  test('is not bound by it where a VM takes no disks along', () => {
    const facts = cluster({ a: { status: 'preparing_for_maintenance' }, b: withRoom(room(0)) }, [vm('v', 'a')]);
    expect(plan(facts, evenly(), limits(4), NOW).moves).toHaveLength(1);
  });
});

test('a new VM starts where its disks find room', () => {
  const facts = cluster({ a: withRoom(room(100)), b: withRoom(room(5000)) }, []);
  const made = { ...vm('new', 'a'), localDisks: [disk(1500)] };
  expect(checkPlacement(facts, made, 'a', NONE, limits(4)).ok).toBe(false);
  expect(checkPlacement(facts, made, 'b', NONE, limits(4)).ok).toBe(true);
});
