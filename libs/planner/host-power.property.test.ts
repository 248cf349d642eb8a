/** What holds whenever hosts are switched, for random clusters. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { facts } from './cluster.arbitrary.js';
import { NOW, limits, power, saving } from './cluster.fixture.js';
import { type ClusterFacts, type HostAction, plan } from './index.js';

const MINUTE_MS = 60_000;

const powers = fc.array(
  fc.record({
    wakeUp: fc.constantFrom('proven', 'proven', 'proven', 'unproven', 'none'),
    isParked: fc.boolean(),
    isOff: fc.boolean(),
    onMinutes: fc.integer({ min: 0, max: 60 }),
    bootSeconds: fc.constantFrom(null, 30, 300),
    hasCurve: fc.boolean(),
  }),
  { minLength: 7, maxLength: 7 },
);

/** Hosts with power; those in maintenance may be off. */
const powered = fc.record({ base: facts, powers }).map(({ base, powers: drawn }): ClusterFacts => {
  const hosts = base.hosts.map((host, index) => {
    const { isOff, onMinutes, hasCurve, ...more } = drawn[index]!;
    const isInMaintenance = host.status === 'maintenance';
    return {
      ...host,
      status: isInMaintenance && isOff ? ('powered_off' as const) : host.status,
      power: power({
        ...more,
        isParked: more.isParked && isInMaintenance,
        sinceMs: NOW - onMinutes * MINUTE_MS,
        wattsAt: hasCurve ? [100, 200] : null,
      }),
    };
  });
  const isUsable = (id: string) =>
    !['maintenance', 'powered_off'].includes(hosts.find((host) => host.id === id)!.status);
  const vms = base.vms.filter(({ hostId }) => isUsable(hostId));
  const known = new Set(vms.map(({ id }) => id));
  return { ...base, hosts, vms, inFlight: base.inFlight.filter(({ vmId }) => known.has(vmId)) };
});

const settings = fc.record({
  HostsInReserve: fc.integer({ min: 0, max: 2 }),
  MinimumOnMinutes: fc.constantFrom(0, 30),
  MinimumOffMinutes: fc.constantFrom(0, 10),
  LowUtilization: fc.constantFrom(0, 20, 60),
});

test('hosts are switched off only if empty, proven, long enough on, and beyond the reserve; never while others wake', () => {
  fc.assert(
    fc.property(powered, settings, fc.integer({ min: 0, max: 1 }), (cluster, wanted, haReservation) => {
      const policy = saving({ ...wanted, EnableAutomaticHostPowerManagement: true });
      const { hostActions } = plan(cluster, policy, limits(2, haReservation), NOW);
      const hostOf = (id: string) => cluster.hosts.find((host) => host.id === id)!;
      const isOccupied = (id: string) =>
        cluster.vms.some((vm) => vm.hostId === id && vm.status !== 'down') ||
        cluster.inFlight.some((move) => move.sourceHostId === id || move.destinationHostId === id);
      const of = (action: HostAction['action']) => hostActions.filter((one) => one.action === action);

      expect(new Set(hostActions.map(({ hostId }) => hostId)).size).toBe(hostActions.length);
      for (const { hostId } of [...of('deactivate'), ...of('power_off')]) {
        expect(hostOf(hostId).power!.wakeUp).toBe('proven');
        expect(isOccupied(hostId)).toBe(false);
      }
      for (const { hostId } of of('deactivate')) {
        expect(hostOf(hostId).status).toBe('up');
        expect(NOW - hostOf(hostId).power!.sinceMs).toBeGreaterThanOrEqual(wanted.MinimumOnMinutes * MINUTE_MS);
      }
      for (const { hostId } of of('power_off')) expect(hostOf(hostId)).toMatchObject({ status: 'maintenance' });
      for (const { hostId, action } of [...of('power_on'), ...of('activate')]) {
        const { status, power: known } = hostOf(hostId);
        expect([status, known!.isParked]).toEqual([action === 'power_on' ? 'powered_off' : 'maintenance', true]);
      }
      for (const { hostId } of of('power_on'))
        expect(NOW - hostOf(hostId).power!.sinceMs).toBeGreaterThanOrEqual(wanted.MinimumOffMinutes * MINUTE_MS);
      if (of('power_on').length + of('activate').length > 0) expect(of('deactivate')).toEqual([]);

      const empty = cluster.hosts.filter(({ id, status }) => status === 'up' && !isOccupied(id)).length;
      const taken = plan(cluster, policy, limits(2, haReservation), NOW).hostActions;
      expect(taken).toEqual(hostActions);
      if (of('deactivate').length > 0)
        expect(empty - of('deactivate').length).toBeGreaterThanOrEqual(Math.min(wanted.HostsInReserve, empty));
    }),
  );
});
