/** May a run that waits begin to empty its host? */
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
  const failed = companions.find(({ phase, group }) => phase === 'failed' && group <= run.group);
  if (failed)
    return cancel(`group ${failed.group} has failed at ${nameOf(facts, failed.hostId)}: ${failed.phaseReason}`);
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
  if (host.status !== 'up') return note(run, `waits until ${host.name} is up; it is ${host.status}`);

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
  const guests = guestsOf(run, facts);
  if (guests.length > 0) return note(run, `waits until ${guests.join(', ')}`);
  return fit(run, host, facts, emptying, nowMs);
}

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
  if (skipped) return change(run, 'cancelled', `${host.name} is skipped: ${skipped.reason}`);
  const waits = choices.filter(({ choice }) => choice === 'wait');
  if (waits.length > 0) return note(run, waits.map(({ reason }) => reason).join('; '));
  const lost = blocked.find(({ hostId }) => hostId !== host.id);
  if (lost && emptying.has(lost.hostId) && !wasBlockedBefore(facts, emptying, lost.vmId, nowMs))
    return note(run, `with ${host.name} empty as well, ${lost.reason}`);
  return { ...change(run, 'evacuating', 'its VMs leave'), host: 'deactivate' };
}

const wasBlockedBefore = (
  { cluster, schedulingPolicy, limits }: MaintenanceFacts,
  emptying: ReadonlySet<string>,
  vm: string,
  nowMs: number,
): boolean =>
  emptyHosts(cluster, [...emptying], schedulingPolicy, limits, nowMs).blocked.some(({ vmId }) => vmId === vm);

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

/** Says what a run waits for, unless it says so already. */
export const note = (run: RunFacts, reason: string): MaintenanceStep | null =>
  run.phaseReason === reason ? null : { action: 'note', runId: run.id, reason };
