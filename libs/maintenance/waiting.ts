/** May a run that waits begin to empty its host? */
import type { RolloutStop } from '#contracts';
import { hasEndedMaintenance } from '#lifecycle';
import { emptyHosts } from '#planner';
import { type HostFacts, type MaintenanceFacts, type MaintenanceStep, type RunFacts, choiceFor } from './facts.js';
import { stillWanted, whenItMayBegin } from './triggers.js';
import { openWindow } from './windows.js';

/**
 * `emptying`: hosts that are being emptied, or will be by the steps decided so far. A run begins only if all of them
 * together can be emptied with rules and reservation kept.
 */
export function decideWaiting(
  run: RunFacts,
  host: HostFacts,
  facts: MaintenanceFacts,
  emptying: ReadonlySet<string>,
  nowMs: number,
): MaintenanceStep | null {
  const cancel = (reason: string) => change(run, 'cancelled', reason);
  const companions = facts.runs.filter(({ rolloutId, id }) => rolloutId === run.rolloutId && id !== run.id);
  const stops = STOPS[run.procedure.stopRolloutOn];
  const stopped = companions.find(({ phase, group }) => group <= run.group && stops.includes(phase));
  if (stopped)
    return cancel(
      `group ${stopped.group} ${stopped.phase === 'failed' ? 'has failed' : 'was held'} at ${nameOf(facts, stopped.hostId)}: ${stopped.phaseReason}`,
    );
  if (run.windowEndsMs !== null && nowMs >= run.windowEndsMs) return cancel('its window has closed before its turn');
  if (host.status === 'maintenance' || host.status === 'preparing_for_maintenance')
    return cancel(`${host.name} was put into maintenance by somebody else meanwhile`);

  const policy = facts.policies.find(({ id }) => id === run.policyId);
  if (!stillWanted(run, policy, host, nowMs)) return cancel('what it was wanted for is over');
  const ahead = companions.filter(({ phase, group }) => group < run.group && !hasEndedMaintenance(phase));
  if (ahead.length > 0)
    return note(
      run,
      `waits for group ${ahead[0]!.group}: ${ahead.map(({ hostId }) => nameOf(facts, hostId)).join(', ')}`,
    );
  if (run.waitsForWindow && policy && !openWindow(policy.windows, nowMs))
    return note(run, whenItMayBegin(policy, nowMs));

  const others = facts.runs.filter(
    (other) =>
      (emptying.has(other.hostId) || other.phase === 'returning') &&
      other.hostId !== run.hostId &&
      isOfSamePolicy(other, run),
  );
  if (others.length >= run.hostsAtOnce)
    return note(
      run,
      `waits for ${others.map(({ hostId }) => nameOf(facts, hostId)).join(', ')}: ${run.hostsAtOnce} at once`,
    );
  if (host.status !== 'up') return hold(run, host, `waits until ${host.name} is up; it is ${host.status}`, nowMs);
  const guests = guestsOf(run, facts);
  if (guests.length > 0) return note(run, `waits until ${guests.join(', ')}`);
  return fit(run, host, facts, emptying, nowMs);
}

/** Ends of one host after which the others of its rollout do not begin. */
const STOPS: Readonly<Record<RolloutStop, readonly RunFacts['phase'][]>> = {
  failed: ['failed'],
  skipped: ['failed', 'skipped'],
  never: [],
};

/** VMs that are here for the maintenance of another host: taken along now, they would not find home. */
const guestsOf = (run: RunFacts, facts: MaintenanceFacts): string[] =>
  facts.runs
    .filter(({ id, phase, procedure }) => id !== run.id && procedure.returnVms && !hasEndedMaintenance(phase))
    .flatMap(({ hostId, vms }) =>
      vms
        .filter((vm) => (vm.state === 'left' || vm.state === 'coming_back') && vm.hostId === run.hostId)
        .map(({ vmName }) => `${vmName} has gone back to ${nameOf(facts, hostId)}`),
    );

function fit(
  run: RunFacts,
  host: HostFacts,
  facts: MaintenanceFacts,
  emptying: ReadonlySet<string>,
  nowMs: number,
): MaintenanceStep | null {
  const { cluster, schedulingPolicy, limits } = facts;
  const { blocked } = emptyHosts(cluster, [...emptying, host.id], schedulingPolicy, limits, nowMs);
  const own = blocked.filter(({ hostId }) => hostId === host.id);
  const choices = own.map((vm) => ({
    ...vm,
    choice: choiceFor(
      run,
      run.vms.find(({ vmId }) => vmId === vm.vmId),
    ),
  }));
  const skipped = choices.find(({ choice }) => choice === 'skip');
  if (skipped) return change(run, 'skipped', `${host.name} is skipped: ${skipped.reason}`);
  const waits = choices.filter(({ choice }) => choice === 'wait');
  if (waits.length > 0) return hold(run, host, waits.map(({ reason }) => reason).join('; '), nowMs);
  const others = blocked.filter(({ hostId }) => hostId !== host.id && emptying.has(hostId));
  const before = others.length > 0 ? blockedAlready(facts, emptying, nowMs) : null;
  const lost = others.find(({ vmId }) => !before!.has(vmId));
  if (lost) return note(run, `with ${host.name} empty as well, ${lost.reason}`);
  return { ...change(run, 'evacuating', 'its VMs leave'), host: 'deactivate' };
}

const blockedAlready = (
  { cluster, schedulingPolicy, limits }: MaintenanceFacts,
  emptying: ReadonlySet<string>,
  nowMs: number,
): ReadonlySet<string> =>
  new Set(emptyHosts(cluster, [...emptying], schedulingPolicy, limits, nowMs).blocked.map(({ vmId }) => vmId));

const isOfSamePolicy = (a: RunFacts, b: RunFacts): boolean =>
  a.rolloutId === b.rolloutId || (a.policyId !== null && a.policyId === b.policyId);

const nameOf = ({ hosts }: MaintenanceFacts, hostId: string): string =>
  hosts.find(({ id }) => id === hostId)?.name ?? 'a host that was removed';

/** Into another phase, with the reason. */
export const change = (
  { id }: RunFacts,
  to: RunFacts['phase'],
  reason: string,
): Extract<MaintenanceStep, { action: 'change_phase' }> => ({ action: 'change_phase', runId: id, to, reason });

/** Says what a run waits for, unless it says so already. `isHeld`: it would be its turn, but for its own host. */
export const note = (run: RunFacts, reason: string, isHeld = false): MaintenanceStep | null =>
  run.phaseReason === reason && isHeld === (run.heldSinceMs !== null)
    ? null
    : { action: 'note', runId: run.id, reason, isHeld };

/** It is its turn, and its own host keeps it from it: for so long only, since others may wait for it. */
function hold(run: RunFacts, host: HostFacts, reason: string, nowMs: number): MaintenanceStep | null {
  const { blockedWaitMinutes } = run.procedure;
  const isLate = run.heldSinceMs !== null && nowMs - run.heldSinceMs >= blockedWaitMinutes * 60_000;
  return isLate
    ? change(run, 'skipped', `${host.name} is skipped after ${blockedWaitMinutes} min: ${reason}`)
    : note(run, reason, true);
}
