import { describe, expect, test } from 'vitest';
import { cluster, evenly, limits, vm } from './cluster.fixture.js';
import { type ClusterFacts, checkMove, checkPlacement, chooseDestination, placeVm } from './index.js';

const none = { name: 'none' } as const;
const small = { id: 'new', name: 'new', labels: [], vcpus: 1, memoryMiB: 512 };
const busy = (facts: ClusterFacts, sourceHostId: string, destinationHostId: string): ClusterFacts => ({
  ...facts,
  inFlight: [{ vmId: 'id-of-elsewhere', sourceHostId, destinationHostId }],
});

describe('placeVm', () => {
  test('takes the host with the lowest load that has room', () => {
    const facts = cluster({ h1: {}, h2: {}, h3: { status: 'maintenance' } }, [
      vm('a', 'h1'),
      vm('b', 'h1'),
      vm('c', 'h2'),
    ]);
    expect(placeVm(facts, small, none, limits(1))).toEqual({
      hostId: 'h2',
      reason: 'of the hosts with room h2 (CPU 13 %, memory 6 %) suits new best',
    });
  });

  test('counts memory that is promised to VMs on their way, but no limit of migrations', () => {
    const facts = cluster({ h1: { memoryMiB: 1000 }, h2: { memoryMiB: 700 } }, [
      vm('a', 'h1', { memoryMiB: 256 }),
      vm('b', 'h1', { memoryMiB: 200 }),
    ]);
    expect(placeVm(facts, small, none, limits(1)).hostId).toBe('h2');
    const moving = { ...facts, inFlight: [{ vmId: 'id-of-a', sourceHostId: 'h1', destinationHostId: 'h2' }] };
    expect(placeVm(moving, small, none, limits(1)).hostId).toBe('h1');
    expect(placeVm(moving, small, evenly(), limits(1))).toMatchObject({
      hostId: null,
      refusals: [{ hostId: 'h1' }, { hostId: 'h2' }],
    });
  });

  test('says why no host can take it', () => {
    expect(placeVm(cluster({ h1: { cpuCores: 1.5 } }, []), { ...small, vcpus: 3 }, none, limits(1))).toEqual({
      hostId: null,
      reason: "none of 1 host can take new: h1 has 2 cores, fewer than the VM's 3 vCPUs",
      refusals: [{ hostId: 'h1', reason: "h1 has 2 cores, fewer than the VM's 3 vCPUs" }],
    });
    expect(placeVm(cluster({}, []), small, none, limits(1))).toMatchObject({
      hostId: null,
      reason: 'there is no host to take new',
    });
  });

  test('checkPlacement judges a host that somebody named', () => {
    const facts = cluster({ h1: {}, h2: { status: 'non_responsive' } }, []);
    expect(checkPlacement(facts, small, 'h1', none, limits(1))).toEqual({ ok: true });
    expect(checkPlacement(facts, small, 'h2', none, limits(1))).toEqual({ ok: false, reason: 'h2 is not responding' });
    expect(checkPlacement(facts, { ...small, memoryMiB: 4033 }, 'h1', evenly(), limits(1))).toEqual({
      ok: false,
      reason: 'h1 has 4096 MiB of memory free, the VM needs 4033 MiB and 64 MiB must stay free',
    });
    expect(() => checkPlacement(facts, small, 'h9', none, limits(1))).toThrow(RangeError);
  });
});

describe('a migration that somebody orders', () => {
  const facts = cluster({ h1: {}, h2: { status: 'installing' }, h3: {} }, [
    vm('a', 'h1'),
    vm('b', 'h1', { status: 'paused' }),
  ]);

  test('goes where the VM fits best, whatever its cooldown', () => {
    const resting = cluster({ h1: {}, h3: {} }, [vm('a', 'h1', { cooldownUntilMs: Infinity })]);
    expect(chooseDestination(resting, 'id-of-a', limits(1)).hostId).toBe('h3');
    expect(chooseDestination(facts, 'id-of-a', limits(1)).hostId).toBe('h3');
  });

  test('is refused for a VM that cannot move', () => {
    const reason = 'b is paused; resume it or stop it';
    expect(chooseDestination(facts, 'id-of-b', limits(1))).toEqual({ hostId: null, reason, refusals: [] });
    expect(checkMove(facts, 'id-of-b', 'h3', limits(1))).toEqual({ ok: false, reason });
  });

  test('is refused while either end takes part in as many migrations as it may', () => {
    const leaving = busy(facts, 'h1', 'h2');
    const arriving = busy(facts, 'h2', 'h3');
    for (const [now, host] of [
      [leaving, 'h1'],
      [arriving, 'h3'],
    ] as const) {
      const reason = `${host} takes part in 1 migration, as many as it may at once`;
      expect(checkMove(now, 'id-of-a', 'h3', limits(1))).toEqual({ ok: false, reason });
      expect(chooseDestination(now, 'id-of-a', limits(1)).hostId).toBeNull();
      expect(checkMove(now, 'id-of-a', 'h3', limits(2))).toEqual({ ok: true });
    }
  });

  test('is refused for a host that cannot take the VM, or has it already', () => {
    expect(checkMove(facts, 'id-of-a', 'h1', limits(1))).toEqual({ ok: false, reason: 'a is on h1 already' });
    expect(checkMove(facts, 'id-of-a', 'h2', limits(1))).toEqual({ ok: false, reason: 'h2 is not set up yet' });
    expect(checkMove(facts, 'id-of-a', 'h3', limits(1))).toEqual({ ok: true });
    expect(() => checkMove(facts, 'id-of-z', 'h3', limits(1))).toThrow(/VM id-of-z does not run/);
  });
});
