import { describe, expect, test } from 'vitest';
import { NOW, cluster, limits, power, saving, steadily, vm } from './cluster.fixture.js';
import { type Plan, plan } from './index.js';

const routes = (made: Plan) => made.moves.map(({ vmId, destinationHostId }) => `${vmId.slice(6)}>${destinationHostId}`);
const actions = (made: Plan) => made.hostActions.map(({ hostId, action }) => `${action} ${hostId}`);
const hostRefusals = (made: Plan, hostId: string) =>
  made.refusals.filter((refusal) => refusal.vmId === null && refusal.hostId === hostId).map(({ reason }) => reason);

describe('consolidation', () => {
  test('empties the host that runs least, onto the fullest that has room', () => {
    const facts = cluster({ h1: {}, h2: {}, h3: {} }, [
      vm('a', 'h1', { cpuUsedCores: 0.4, history: steadily(0.4) }),
      vm('b', 'h2', { cpuUsedCores: 1, history: steadily(1) }),
      vm('c', 'h3', { cpuUsedCores: 2, history: steadily(2) }),
    ]);
    const made = plan(facts, saving(), limits(2), NOW);
    expect(routes(made)).toEqual(['a>h3']);
    expect(made.moves[0]).toMatchObject({
      kind: 'power_saving',
      reason: 'h1 runs at CPU 10 %, and its 1 VM fit elsewhere; a goes to h3',
    });
    expect(made.moves[0]!.cost.pointSeconds).toBeLessThan(made.moves[0]!.benefit!);
  });

  test('leaves room for peaks: a VM that varies much is given more than its mean', () => {
    const facts = (deviation: number) =>
      cluster({ h1: {}, h2: {} }, [
        vm('a', 'h1', { cpuUsedCores: 0.4, history: steadily(0.4, deviation) }),
        vm('b', 'h2', { cpuUsedCores: 2, history: steadily(2) }),
      ]);
    expect(routes(plan(facts(0.3), saving(), limits(2), NOW))).toEqual(['a>h2']);
    const made = plan(facts(0.5), saving(), limits(2), NOW);
    expect(routes(made)).toEqual([]);
    expect(hostRefusals(made, 'h1')).toEqual([
      'h1 is not emptied: its VMs with their peaks fit on no hosts that are in use',
    ]);
  });

  test('empties a host wholly or not at all, and says which VM keeps it', () => {
    const facts = cluster({ h1: {}, h2: {} }, [
      vm('a', 'h1', { cpuUsedCores: 0.1, history: steadily(0.1) }),
      vm('b', 'h1', { cpuUsedCores: 0.1, immovableReason: 'b has a device of h1; detach it first' }),
      vm('c', 'h2', { cpuUsedCores: 1, history: steadily(1) }),
    ]);
    const made = plan(facts, saving(), limits(2), NOW);
    expect(routes(made)).toEqual([]);
    expect(hostRefusals(made, 'h1')).toEqual(['h1 is not emptied: b has a device of h1; detach it first']);
  });

  test('empties no host that VMs are on their way to: it would not become empty', () => {
    const vms = [
      vm('a', 'h1', { cpuUsedCores: 0.2, history: steadily(0.2) }),
      vm('b', 'h2', { cpuUsedCores: 1, history: steadily(1) }),
      vm('c', 'h3', { cpuUsedCores: 0.2, history: steadily(0.2) }),
    ];
    const facts = cluster({ h1: {}, h2: {}, h3: {} }, vms);
    expect(routes(plan(facts, saving(), limits(2), NOW))).toEqual(['a>h2', 'c>h2']);
    const arriving = { vmId: vms[2]!.id, sourceHostId: 'h3', destinationHostId: 'h1' };
    expect(routes(plan({ ...facts, inFlight: [arriving] }, saving(), limits(2), NOW))).toEqual([]);
  });

  test('switches nothing off while VMs of a host that does not answer may need it', () => {
    const policy = saving({ EnableAutomaticHostPowerManagement: true, HostsInReserve: 0 });
    const facts = (status: 'up' | 'non_responsive') =>
      cluster({ h1: { status }, h2: { power: power() }, h3: { power: power() } }, [
        vm('a', 'h1', { cpuUsedCores: 1, history: steadily(1), status: status === 'up' ? 'up' : 'unknown' }),
      ]);
    expect(actions(plan(facts('up'), policy, limits(2), NOW))).toEqual(['deactivate h3', 'deactivate h2']);
    const made = plan(facts('non_responsive'), policy, limits(2), NOW);
    expect([actions(made), hostRefusals(made, 'h1')]).toEqual([
      [],
      ['hosts stay on: VMs of h1, which does not answer, may need them'],
    ]);
  });

  test('takes the host that does least with a watt, though another runs less', () => {
    const facts = cluster({ h1: { power: power() }, h2: { power: power({ wattsAt: [100, 300] }) }, h3: {} }, [
      vm('a', 'h1', { cpuUsedCores: 0.2, history: steadily(0.2) }),
      vm('b', 'h2', { cpuUsedCores: 0.4, history: steadily(0.4) }),
    ]);
    expect(routes(plan(facts, saving(), limits(2), NOW))).toEqual(['b>h1']);
  });

  test('moves no VM for less power than its move costs', () => {
    const facts = cluster({ h1: {}, h2: {} }, [
      vm('a', 'h1', { cpuUsedCores: 0.2, history: steadily(0.2), memoryMiB: 2000, dirtyRateMiBps: 90 }),
      vm('b', 'h2', { cpuUsedCores: 1, history: steadily(1) }),
    ]);
    expect(routes(plan(facts, saving(), limits(2), NOW))).toEqual(['a>h2']);
    const made = plan(facts, saving({ HorizonMinutes: 2 }), limits(2), NOW);
    expect(hostRefusals(made, 'h1').join()).toMatch(/would cost [\d.]+ point-seconds and bring 6000\.0/);
  });
});

describe('relief', () => {
  test('moves the least memory that brings an over-utilized host below its limit', () => {
    const facts = cluster({ h1: { overUtilizedSinceMs: NOW - 600_000 }, h2: {} }, [
      vm('a', 'h1', { cpuUsedCores: 2.6, memoryMiB: 1024, history: steadily(2.6) }),
      vm('b', 'h1', { cpuUsedCores: 0.5, memoryMiB: 512, history: steadily(0.5) }),
      vm('c', 'h1', { cpuUsedCores: 0.5, memoryMiB: 256, history: steadily(0.5) }),
      vm('d', 'h2', { cpuUsedCores: 1, history: steadily(1) }),
    ]);
    expect(routes(plan(facts, saving(), limits(2), NOW))).toEqual(['c>h2']);
  });

  test('wakes a host for VMs that find no room: the one that is up soonest', () => {
    const asleep = { status: 'powered_off' as const };
    const facts = cluster(
      {
        h1: { overUtilizedSinceMs: NOW - 600_000, power: power() },
        h2: { ...asleep, power: power({ isParked: true, bootSeconds: 120 }) },
        h3: { ...asleep, power: power({ isParked: true, bootSeconds: 60 }) },
      },
      [vm('a', 'h1', { cpuUsedCores: 2 }), vm('b', 'h1', { cpuUsedCores: 1.8 })],
    );
    const made = plan(facts, saving({ EnableAutomaticHostPowerManagement: true }), limits(2), NOW);
    expect(actions(made)).toEqual(['power_on h3']);
    expect(made.hostActions[0]!.reason).toBe('no host that is up has room for 1 VM of over-utilized hosts');
  });
});

describe('host power', () => {
  const on = saving({ EnableAutomaticHostPowerManagement: true });
  const busy = vm('a', 'h1', { cpuUsedCores: 1, history: steadily(1) });

  test('empty hosts go into maintenance, hosts in maintenance are switched off; one step for each plan', () => {
    const facts = cluster(
      {
        h1: { power: power() },
        h2: { power: power() },
        h3: { status: 'maintenance', power: power({ isParked: true }) },
      },
      [busy],
    );
    expect(actions(plan(facts, on, limits(2), NOW))).toEqual(['deactivate h2', 'power_off h3']);
    expect(actions(plan(facts, saving(), limits(2), NOW))).toEqual([]);
  });

  test('a host in maintenance that a VM is on its way to is not switched off', () => {
    const facts = cluster({ h1: {}, h2: { status: 'maintenance', power: power({ isParked: true }) } }, [vm('a', 'h1')]);
    const underWay = { vmId: facts.vms[0]!.id, sourceHostId: 'h1', destinationHostId: 'h2' };
    expect(actions(plan({ ...facts, inFlight: [underWay] }, on, limits(2), NOW))).toEqual([]);
    expect(actions(plan(facts, on, limits(2), NOW))).toEqual(['power_off h2']);
  });

  test('a host that a VM is to leave later is not empty yet', () => {
    const facts = cluster({ h1: { power: power() }, h2: { power: power() } }, [
      busy,
      vm('b', 'h2', { cpuUsedCores: 1, history: steadily(1) }),
    ]);
    const promised = { vmId: facts.vms[1]!.id, sourceHostId: 'h2', destinationHostId: 'h1', isPromised: true };
    expect(actions(plan({ ...facts, inFlight: [promised] }, on, limits(2), NOW))).toEqual([]);
  });

  test('HostsInReserve stay on, and are woken if they are too few', () => {
    const facts = cluster({ h1: { power: power() }, h2: { power: power() }, h3: { power: power() } }, [busy]);
    const reserve = (HostsInReserve: number) => saving({ EnableAutomaticHostPowerManagement: true, HostsInReserve });
    expect(actions(plan(facts, reserve(1), limits(2), NOW))).toEqual(['deactivate h3']);
    const parked = cluster(
      { h1: { power: power() }, h2: { status: 'maintenance', power: power({ isParked: true }) } },
      [busy],
    );
    expect(actions(plan(parked, reserve(1), limits(2), NOW))).toEqual(['activate h2']);
  });

  test('hosts stay on for expected load, for the VMs of failing hosts, for their least time, and until they are proven', () => {
    const two = (more: object, vms = [busy]) => cluster({ h1: { power: power() }, h2: { power: power(more) } }, vms);
    expect(actions(plan(two({}), on, limits(2), NOW))).toEqual(['deactivate h2']);
    expect(actions(plan({ ...two({}), forecastCores: 4 }, on, limits(2), NOW))).toEqual([]);
    expect(actions(plan(two({}), on, limits(2, 1), NOW))).toEqual([]);
    expect(actions(plan(two({ sinceMs: NOW - 60_000 }), on, limits(2), NOW))).toEqual([]);
    const unproven = plan(two({ wakeUp: 'unproven' }), on, limits(2), NOW);
    expect(actions(unproven)).toEqual([]);
    expect(hostRefusals(unproven, 'h2').join()).toContain('test its power management');
  });

  test('a host that an administrator put into maintenance is left alone', () => {
    const facts = cluster({ h1: { power: power() }, h2: { status: 'maintenance', power: power() } }, [busy]);
    expect(actions(plan(facts, on, limits(2), NOW))).toEqual([]);
  });
});
