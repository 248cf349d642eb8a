/** What comes when a host is empty: the action, a look at its health, and its VMs' way back. */
import { checkMove } from '#planner';
import type { ClusterFacts } from '#planner';
import type { HostFacts, MaintenanceFacts, MaintenanceStep, RunFacts } from './facts.js';
import { change, note } from './waiting.js';

/** After how many milliseconds what is given up. */
export const PATIENCE = {
  /** A host that answers, and has not begun to act. */
  actMs: 120_000,
  /** Beyond what a command may take. */
  overtimeMs: 60_000,
  /** A host that was switched off, and does not come back. */
  powerMs: 3_600_000,
  /** A host that says nothing new of its health. */
  healthMs: 600_000,
  /** VMs that do not come back. */
  returnMs: 3_600_000,
} as const;

export function decideActing(
  run: RunFacts,
  host: HostFacts,
  { decidingSinceMs }: Pick<MaintenanceFacts, 'decidingSinceMs'>,
  nowMs: number,
): MaintenanceStep | null {
  const { action } = run.procedure;
  const waitedMs = nowMs - run.phaseSinceMs;
  if (host.status === 'up') return change(run, 'cancelled', `${host.name} was activated by somebody else`);
  if (action.kind === 'none') return change(run, 'checking', 'there is nothing to do on it');
  if (action.kind === 'power_cycle') return decidePowerCycle(run, host, waitedMs);
  const limitMs = action.timeoutSeconds * 1000 + PATIENCE.overtimeMs;
  switch (run.command?.status) {
    case 'succeeded':
      return change(run, 'checking', `${action.name} has done its work`);
    case 'failed': {
      const code = run.command.exitCode === null ? '' : ` with status ${run.command.exitCode}`;
      return change(
        run,
        'failed',
        stays(host, `${action.name} has failed${code}: ${run.command.output.trim().slice(-300)}`),
      );
    }
    case 'running':
      if (waitedMs > limitMs)
        return change(run, 'failed', stays(host, `${action.name} has not ended within ${action.timeoutSeconds} s`));
      return note(run, host.status === 'maintenance' ? `${action.name} runs` : `${host.name} does not answer for now`);
    case undefined:
      if (
        nowMs - Math.max(run.phaseSinceMs, decidingSinceMs) >
        (host.status === 'maintenance' ? PATIENCE.actMs : limitMs)
      )
        return change(run, 'failed', stays(host, `its agent has not begun ${action.name}`));
      return { action: 'act', runId: run.id };
  }
}

/** The power loop switches it; it has come back when it has been on for less long than it was told to. */
function decidePowerCycle(run: RunFacts, host: HostFacts, waitedMs: number): MaintenanceStep | null {
  if (!run.command) return { action: 'act', runId: run.id };
  if (run.command.status === 'failed') return change(run, 'failed', stays(host, run.command.output));
  if (host.status !== 'maintenance') {
    if (waitedMs > PATIENCE.powerMs)
      return change(run, 'failed', `${host.name} has not come back since it was switched off: ${host.statusReason}`);
    return note(run, `${host.name} is switched off and on again (${host.status})`);
  }
  if ((host.powerSinceMs ?? 0) > run.phaseSinceMs)
    return change(run, 'checking', `${host.name} was switched off and on`);
  return change(run, 'failed', stays(host, `it was not switched off and on: ${host.statusReason}`));
}

export function decideChecking(run: RunFacts, host: HostFacts, nowMs: number): MaintenanceStep | null {
  if (host.status === 'up') return change(run, 'done', `${host.name} was activated by somebody else`);
  if (host.status !== 'maintenance' || host.health === null || (host.healthAtMs ?? 0) <= run.phaseSinceMs) {
    if (nowMs - run.phaseSinceMs > PATIENCE.healthMs)
      return change(run, 'failed', stays(host, 'it has not told of its health'));
    return { action: 'look', runId: run.id };
  }
  const failed = host.health.checks.filter(({ state }) => state === 'failed');
  if (failed.length > 0) return change(run, 'failed', stays(host, failed.map(({ reason }) => reason).join('; ')));
  if (!run.procedure.activate)
    return change(run, 'done', `${host.name} is healthy, and stays in maintenance as was asked`);
  const gone = run.vms.filter(({ state }) => state === 'left' || state === 'stopped').length;
  const comesBack = run.procedure.returnVms || run.vms.some(({ state }) => state === 'stopped');
  if (gone > 0 && comesBack)
    return { ...change(run, 'returning', `${host.name} is healthy and up; its VMs come back`), host: 'activate' };
  return { ...change(run, 'done', `${host.name} is healthy and up`), host: 'activate' };
}

/** Brings back what has left, one after the other as migrations end; a VM that was moved on since is left there. */
export function decideReturning(
  run: RunFacts,
  host: HostFacts,
  { cluster, limits }: MaintenanceFacts,
  nowMs: number,
): MaintenanceStep[] {
  const open = run.vms.filter(({ state }) => ['leaving', 'left', 'stopped', 'coming_back'].includes(state));
  if (host.status === 'maintenance' || host.status === 'preparing_for_maintenance')
    return [change(run, run.endsAs, `${host.name} is in maintenance again; its VMs stay where they are`)];
  if (open.length === 0 || nowMs - run.phaseSinceMs > PATIENCE.returnMs) return [change(run, run.endsAs, endOf(run))];
  if (host.status !== 'up') return asList(note(run, `waits until ${host.name} is up; it is ${host.status}`));

  const steps: MaintenanceStep[] = [];
  const waits: string[] = [];
  let now: ClusterFacts = cluster;
  for (const { vmId, vmName, state, hostId, attempts, reason } of open) {
    const leave = (why: string) => steps.push({ action: 'leave_vm', runId: run.id, vmId, reason: why });
    if (state === 'coming_back' || state === 'leaving') continue;
    if (state === 'stopped') {
      steps.push({ action: 'start_vm', runId: run.id, vmId, reason: `${host.name} is up again` });
      continue;
    }
    const vm = now.vms.find(({ id }) => id === vmId);
    if (!run.procedure.returnVms) leave('it was not to come back');
    else if (!vm) leave('it does not run any more');
    else if (vm.hostId !== hostId) leave('it was moved on meanwhile');
    else if (attempts >= 2 * run.procedure.maxAttempts)
      leave(`it has not come back in ${attempts} attempts: ${reason}`);
    else {
      const check = checkMove(now, vmId, host.id, limits);
      if (!check.ok) {
        waits.push(`${vmName}: ${check.reason}`);
        continue;
      }
      const move = { vmId, sourceHostId: vm.hostId, destinationHostId: host.id };
      steps.push({
        action: 'move_vm',
        runId: run.id,
        vmId,
        destinationHostId: host.id,
        reason: `${host.name} is up again`,
      });
      now = { ...now, inFlight: [...now.inFlight, move] };
    }
  }
  return [...steps, ...asList(note(run, waits.join('; ') || 'its VMs come back'))];
}

function endOf({ vms }: RunFacts): string {
  const stayed = vms.filter(({ state }) => state === 'stayed' || state === 'left');
  const back = vms.filter(({ state }) => state === 'returned').length;
  const missing = stayed.map(({ vmName, reason }) => `${vmName} stays away: ${reason || 'its time was over'}`);
  return [`${back} ${back === 1 ? 'VM has' : 'VMs have'} come back`, ...missing].join('; ');
}

const stays = ({ name }: HostFacts, why: string): string => `${name} stays in maintenance: ${why}`;

const asList = (step: MaintenanceStep | null): MaintenanceStep[] => (step ? [step] : []);
