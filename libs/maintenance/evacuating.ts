/** A host that is being emptied. Its VMs leave by the cluster's plans; this decides about those that do not. */
import type { MaintenanceVm } from '#contracts';
import { chooseAnyDestination, emptyHosts } from '#planner';
import { type HostFacts, type MaintenanceFacts, type MaintenanceStep, type RunFacts, choiceFor } from './facts.js';
import { change, note } from './waiting.js';

export function decideEvacuating(
  run: RunFacts,
  host: HostFacts,
  facts: MaintenanceFacts,
  nowMs: number,
): MaintenanceStep[] {
  const here = run.vms.filter(({ state }) => state === 'here' || state === 'leaving');
  switch (host.status) {
    case 'maintenance':
      if (run.procedure.action.kind === 'none' && !run.procedure.activate)
        return [change(run, 'done', `${host.name} is empty, and stays in maintenance as was asked`)];
      if (run.procedure.action.kind === 'none') return [change(run, 'checking', `${host.name} is empty`)];
      return [change(run, 'acting', `${host.name} is empty; ${actionOf(run)}`)];
    case 'up':
      return [change(run, 'cancelled', `${host.name} was activated by somebody else`)];
    case 'non_responsive':
      return isLate(run, nowMs) ? [giveUp(run, host, here)] : asList(note(run, `${host.name} does not answer`));
    default:
  }
  const exhausted = here.filter(({ attempts }) => attempts >= run.procedure.maxAttempts);
  const hopeless = exhausted.filter((vm) => !['stop', 'skip'].includes(choiceFor(run, vm)));
  if (hopeless.length > 0) return [giveUp(run, host, hopeless)];
  if (isLate(run, nowMs)) return [giveUp(run, host, here)];
  return aboutBlocked(run, host, facts, here, exhausted, nowMs);
}

/** By what was chosen for each VM that cannot leave, or has tried often enough. */
function aboutBlocked(
  run: RunFacts,
  host: HostFacts,
  facts: MaintenanceFacts,
  here: readonly MaintenanceVm[],
  exhausted: readonly MaintenanceVm[],
  nowMs: number,
): MaintenanceStep[] {
  const { cluster, schedulingPolicy, limits } = facts;
  const { blocked } = emptyHosts(cluster, [host.id], schedulingPolicy, limits, nowMs);
  const reasons = new Map(blocked.map(({ vmId, reason }) => [vmId, reason]));
  // One that is on its way once more cannot be stopped now.
  for (const vm of exhausted.filter(({ state }) => state === 'here'))
    reasons.set(vm.vmId, `${vm.vmName} has not moved in ${vm.attempts} attempts: ${vm.reason}`);
  const steps = [...reasons].flatMap(([vmId, reason]): MaintenanceStep[] => {
    const vm = here.find((each) => each.vmId === vmId);
    switch (choiceFor(run, vm)) {
      case 'wait':
        return [];
      case 'skip':
        return [{ ...change(run, 'skipped', `${host.name} is skipped: ${reason}`), host: 'activate' }];
      case 'stop':
        return [{ action: 'stop_vm', runId: run.id, vmId, reason: `it is stopped for maintenance: ${reason}` }];
      case 'move_anyway': {
        const choice = chooseAnyDestination(cluster, vmId, limits);
        if (choice.hostId === null) return [];
        const why = `${host.name} is to be emptied, whatever binds the VM to it`;
        return [{ action: 'move_vm', runId: run.id, vmId, destinationHostId: choice.hostId, reason: why }];
      }
    }
  });
  const skipped = steps.find(({ action }) => action === 'change_phase');
  if (skipped) return [skipped];
  const waits = [...reasons.values()].join('; ');
  return [...steps, ...asList(note(run, waits || 'its VMs leave'))];
}

const isLate = ({ startedMs, procedure }: RunFacts, nowMs: number): boolean =>
  startedMs !== null && nowMs - startedMs > procedure.evacuationTimeoutMinutes * 60_000;

/** Back to work, with the reason for each VM that is still there. */
function giveUp(run: RunFacts, host: HostFacts, vms: readonly MaintenanceVm[]): MaintenanceStep {
  const why = vms.map(
    ({ vmName, attempts, reason }) =>
      `${vmName} is still there after ${attempts} failed migrations${reason ? ` (${reason})` : ''}`,
  );
  const reason = `${host.name} was not emptied: ${why.join('; ') || run.phaseReason}`;
  return { ...change(run, 'failed', reason), host: 'activate' };
}

const actionOf = ({ procedure: { action } }: RunFacts): string =>
  action.kind === 'command' ? `it runs ${action.name}` : 'it is switched off and on again';

const asList = (step: MaintenanceStep | null): MaintenanceStep[] => (step ? [step] : []);
