/** What holds for every cluster, whatever is the matter with it. */
import fc from 'fast-check';
import { MaintenancePhase, MaintenanceProcedure } from '#contracts';
import { allows, MAINTENANCE_TRANSITIONS } from '#lifecycle';
import { emptyHosts } from '#planner';
import { describe, expect, test } from 'vitest';
import { often } from '../../test/property-runs.js';
import { decideMaintenance, type MaintenanceFacts, type MaintenanceStep } from './index.js';
import { host, NOW, policy, run, situation } from './maintenance.fixture.js';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const IN_MAINTENANCE = new Set(['acting', 'checking']);

/** Status as it goes with the phase of the host's run. */
const statusIn = (phase: MaintenancePhase | null): string =>
  phase === 'evacuating' ? 'preparing_for_maintenance' : phase && IN_MAINTENANCE.has(phase) ? 'maintenance' : 'up';

const hostArbitrary = fc.record({
  phase: fc.option(
    fc.constantFrom<MaintenancePhase>('waiting', 'evacuating', 'acting', 'checking', 'returning', 'paused'),
  ),
  group: fc.integer({ min: 1, max: 3 }),
  vms: fc.array(fc.record({ memoryMiB: fc.integer({ min: 64, max: 2500 }), isPinned: fc.boolean() }), { maxLength: 3 }),
  isIll: fc.boolean(),
});

const clusterArbitrary = fc
  .record({
    hosts: fc.array(hostArbitrary, { minLength: 2, maxLength: 5 }),
    haReservation: fc.integer({ min: 0, max: 2 }),
    hostsAtOnce: fc.integer({ min: 1, max: 3 }),
    onBlocked: fc.constantFrom('wait', 'stop', 'skip', 'move_anyway' as const),
  })
  .map(({ hosts, haReservation, hostsAtOnce, onBlocked }): MaintenanceFacts => {
    const procedure = MaintenanceProcedure.parse({ onBlocked });
    const health = { at: new Date(NOW).toISOString(), checks: [] };
    return situation({
      haReservation,
      hosts: hosts.map(({ phase, isIll }, index) =>
        host(NAMES[index]!, { status: statusIn(phase), health: isIll ? null : health, healthAtMs: isIll ? null : NOW }),
      ),
      policies: [policy({ hostsAtOnce })],
      runs: hosts.flatMap(({ phase, group }, index) =>
        phase ? [run(NAMES[index]!, { phase, group, hostsAtOnce, procedure, startedMs: NOW - 1000 })] : [],
      ),
      vms: hosts.flatMap(({ vms, phase }, index) =>
        phase && IN_MAINTENANCE.has(phase)
          ? []
          : vms.map(({ memoryMiB, isPinned }, number) => {
              const name = `${NAMES[index]}${number}`;
              const immovableReason = isPinned ? `${name} is pinned` : null;
              return [name, NAMES[index]!, memoryMiB, { immovableReason }] as const;
            }),
      ),
    });
  });

const changes = (steps: readonly MaintenanceStep[]) =>
  steps.flatMap((step) => (step.action === 'change_phase' ? [step] : []));

const holds = (check: (facts: MaintenanceFacts, steps: MaintenanceStep[]) => void) =>
  fc.assert(
    fc.property(clusterArbitrary, (facts) => check(facts, decideMaintenance(facts, NOW))),
    often(100),
  );

describe('whatever the cluster is like', () => {
  test('every change of phase is one that may follow', () => {
    holds((facts, steps) => {
      for (const { runId, to } of changes(steps)) {
        const from = facts.runs.find(({ id }) => id === runId)!.phase;
        expect(allows(MAINTENANCE_TRANSITIONS, from, to), `${from} to ${to}`).toBe(true);
      }
    });
  });

  test('hosts that begin can be emptied together with those that are being emptied, N+k kept', () => {
    holds((facts, steps) => {
      const begun = changes(steps).filter(({ to }) => to === 'evacuating');
      if (begun.length === 0) return;
      const beginning = new Set(begun.map(({ runId }) => facts.runs.find(({ id }) => id === runId)!.hostId));
      const busy = facts.hosts.filter(({ id, status }) => status !== 'up' || beginning.has(id)).map(({ id }) => id);
      // VMs that are moved whatever binds them have left already for those that decide after that.
      const forced = steps.flatMap((step) => {
        const vm = step.action === 'move_vm' && facts.cluster.vms.find(({ id }) => id === step.vmId);
        return vm ? [{ vmId: vm.id, sourceHostId: vm.hostId, destinationHostId: step.destinationHostId }] : [];
      });
      const cluster = { ...facts.cluster, inFlight: [...facts.cluster.inFlight, ...forced] };
      const blockedIn = (hostIds: readonly string[]) =>
        emptyHosts(cluster, hostIds, facts.schedulingPolicy, facts.limits, NOW).blocked;
      const before = blockedIn(busy.filter((id) => !beginning.has(id)));
      for (const { vmId, hostId } of blockedIn(busy)) {
        const procedure = facts.runs.find((each) => each.hostId === hostId)!.procedure;
        const wasBlocked = before.some((vm) => vm.vmId === vmId);
        if (beginning.has(hostId)) expect(['stop', 'move_anyway']).toContain(procedure.onBlocked);
        else expect(wasBlocked, `${vmId} could leave before`).toBe(true);
      }
    });
  });

  test('no group begins before those ahead of it have ended, and not more at once than asked for', () => {
    holds((facts, steps) => {
      const begun = changes(steps).filter(({ to }) => to === 'evacuating');
      const runs = begun.map(({ runId }) => facts.runs.find(({ id }) => id === runId)!);
      for (const { group } of runs) expect(facts.runs.every((other) => other.group >= group)).toBe(true);
      const emptying = facts.runs.filter(({ phase }) => statusIn(phase) !== 'up');
      if (runs.length > 0) expect(runs.length + emptying.length).toBeLessThanOrEqual(runs[0]!.hostsAtOnce);
    });
  });

  test('what has been decided is not decided again, and the same facts give the same steps', () => {
    holds((facts, steps) => {
      expect(decideMaintenance(facts, NOW)).toEqual(steps);
      const notes = new Map(steps.flatMap((step) => (step.action === 'note' ? [[step.runId, step]] : [])));
      const noted = facts.runs.map((each) => {
        const found = notes.get(each.id);
        return found ? { ...each, phaseReason: found.reason, heldSinceMs: found.isHeld ? NOW : null } : each;
      });
      const again = decideMaintenance({ ...facts, runs: noted }, NOW);
      expect(again.filter(({ action }) => action === 'note')).toEqual([]);
    });
  });

  test('a rollout does not wait for a host that its own VMs keep from its turn: it is skipped in time', () => {
    holds((facts, steps) => {
      const held = new Set(steps.flatMap((step) => (step.action === 'note' && step.isHeld ? [step.runId] : [])));
      const later = facts.runs.map((each) => (held.has(each.id) ? { ...each, heldSinceMs: NOW - 30 * 60_000 } : each));
      const again = changes(decideMaintenance({ ...facts, runs: later }, NOW));
      for (const runId of held) expect(again).toContainEqual(expect.objectContaining({ runId, to: 'skipped' }));
    });
  });

  test('a host is activated only out of a run of its own, and never while it is not well', () => {
    holds((facts, steps) => {
      for (const { runId, to, host: what } of changes(steps)) {
        const own = facts.runs.find(({ id }) => id === runId)!;
        if (what === 'activate' && own.phase === 'checking') {
          expect(to).not.toBe('failed');
          expect(facts.hosts.find(({ id }) => id === own.hostId)!.health).not.toBeNull();
        }
      }
    });
  });
});
