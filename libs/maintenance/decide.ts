/** One look at a cluster's maintenance: what is to be done now. */
import type { ClusterFacts } from '#planner';
import { emptyingPhases, type HostFacts, type MaintenanceFacts, type MaintenanceStep, type RunFacts } from './facts.js';
import { decideActing, decideChecking, decideReturning } from './afterwards.js';
import { decideEvacuating } from './evacuating.js';
import { dueRollouts } from './triggers.js';
import { change, decideWaiting } from './waiting.js';

/**
 * Steps that may all be carried out at once; asked again until nothing is left to do. Runs that wait are decided about
 * in their order, each with the hosts in mind that those before it empty.
 */
export function decideMaintenance(facts: MaintenanceFacts, nowMs: number): MaintenanceStep[] {
  const hosts = new Map(facts.hosts.map((host) => [host.id, host]));
  const emptying = new Set(
    facts.hosts.filter(({ status }) => status === 'preparing_for_maintenance').map(({ id }) => id),
  );
  for (const { hostId, phase } of facts.runs) if (emptyingPhases.has(phase)) emptying.add(hostId);

  // Each run decides with the moves of those before it in mind: together they share hosts' memory and migrations.
  let { cluster } = facts;
  const steps = facts.runs.flatMap((run) => {
    const host = hosts.get(run.hostId);
    if (!host) return run.phase === 'failed' ? [] : [change(run, 'cancelled', 'its host was removed')];
    const decided = decideRun(run, host, { ...facts, cluster }, emptying, nowMs);
    cluster = withMoves(cluster, decided);
    if (decided.some((step) => step.action === 'change_phase' && step.to === 'evacuating')) emptying.add(run.hostId);
    return decided;
  });
  return [...steps, ...facts.policies.flatMap((policy) => dueRollouts(policy, facts, nowMs))];
}

function withMoves(cluster: ClusterFacts, steps: readonly MaintenanceStep[]): ClusterFacts {
  const moves = steps.flatMap((step) => {
    const vm = step.action === 'move_vm' && cluster.vms.find(({ id }) => id === step.vmId);
    return vm ? [{ vmId: vm.id, sourceHostId: vm.hostId, destinationHostId: step.destinationHostId }] : [];
  });
  return moves.length === 0 ? cluster : { ...cluster, inFlight: [...cluster.inFlight, ...moves] };
}

function decideRun(
  run: RunFacts,
  host: HostFacts,
  facts: MaintenanceFacts,
  emptying: ReadonlySet<string>,
  nowMs: number,
): MaintenanceStep[] {
  const one = (step: MaintenanceStep | null) => (step ? [step] : []);
  switch (run.phase) {
    case 'waiting':
      return one(decideWaiting(run, host, facts, emptying, nowMs));
    case 'evacuating':
      return decideEvacuating(run, host, facts, nowMs);
    case 'acting':
      return one(decideActing(run, host, facts, nowMs));
    case 'checking':
      return one(decideChecking(run, host, nowMs));
    case 'returning':
      return decideReturning(run, host, facts, nowMs);
    case 'paused':
    case 'done':
    case 'failed':
    case 'skipped':
    case 'cancelled':
      return [];
  }
}
