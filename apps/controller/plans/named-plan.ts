import type { PlannedHostAction, PlannedMove, Refusal, SchedulingPolicy } from '#contracts';
import type { Cluster, WholePlan } from '#database';
import type { ClusterFacts, Plan } from '#planner';

export type NewPlan = Omit<WholePlan, 'id'>;

/** The planner speaks of ids; people read names. A dry run, until somebody makes more of it. */
export function named(
  { moves, hostActions, refusals, imbalanceBefore, imbalanceAfter, summary }: Plan,
  facts: ClusterFacts,
  cluster: Cluster,
  policy: SchedulingPolicy,
  createdAt: Date,
): NewPlan {
  const hostNames = new Map(facts.hosts.map(({ id, name }) => [id, name]));
  const vmNames = new Map(facts.vms.map(({ id, name }) => [id, name]));
  const hostName = (id: string) => hostNames.get(id) ?? id;
  const vmName = (id: string) => vmNames.get(id) ?? id;
  return {
    clusterId: cluster.id,
    kind: 'dry_run',
    status: null,
    statusReason: '',
    policy,
    imbalanceBefore,
    imbalanceAfter,
    summary,
    createdAt,
    endedAt: null,
    moves: moves.map(({ waitsFor, ...move }): PlannedMove => ({
      ...move,
      vmName: vmName(move.vmId),
      sourceHostName: hostName(move.sourceHostId),
      destinationHostName: hostName(move.destinationHostId),
      waitsFor: [...waitsFor],
      state: 'proposed',
      stateReason: '',
      decidedBy: null,
      migrationId: null,
    })),
    hostActions: hostActions.map((action): PlannedHostAction => ({ ...action, hostName: hostName(action.hostId) })),
    refusals: refusals.map(({ vmId, hostId, reason }): Refusal => ({
      vmId,
      vmName: vmId === null ? null : vmName(vmId),
      reason,
      hostId,
      hostName: hostId === null ? null : hostName(hostId),
    })),
  };
}

/** Its moves are made without anybody being asked. */
export const carriedOut = (plan: NewPlan): NewPlan => ({
  ...plan,
  kind: 'applied',
  status: plan.moves.length > 0 ? 'running' : 'completed',
  endedAt: plan.moves.length > 0 ? null : plan.createdAt,
  moves: plan.moves.map((move) => ({ ...move, state: 'approved' as const })),
});

/** Some of the plan's moves as a plan of their own: what they wait for among the others no longer holds them up. */
export function withMoves(plan: NewPlan, isPart: (move: PlannedMove) => boolean): NewPlan {
  const positions = [...plan.moves.keys()].filter((position) => isPart(plan.moves[position]!));
  const newPosition = new Map(positions.map((position, index) => [position, index]));
  const moves = positions.map((position) => {
    const move = plan.moves[position]!;
    return { ...move, waitsFor: move.waitsFor.flatMap((other) => newPosition.get(other) ?? []) };
  });
  return { ...plan, moves };
}
