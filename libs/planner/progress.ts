/** A plan that is being carried out: which of its moves begin now, and which never will. */
import type { MoveState, SchedulingPolicy } from '#contracts';
import type { Move } from './answers.js';
import { ClusterState } from './cluster-state.js';
import type { ClusterFacts, Limits } from './facts.js';
import { nextMoves, obstacleToStep } from './steps.js';

/** A move of a plan, as far as it has come. */
export interface MoveUnderWay extends Pick<Move, 'vmId' | 'sourceHostId' | 'destinationHostId' | 'kind' | 'waitsFor'> {
  readonly state: MoveState;
}

/** What is to be done about the move at `position` of the plan. */
export type PlanStep =
  | { readonly action: 'begin'; readonly position: number }
  | { readonly action: 'drop'; readonly position: number; readonly reason: string };

/**
 * What is to be done now, in this order. A move whose hosts have as many migrations as they may is left for later, and
 * so is one without room while moves before it, which may make that room, have yet to begin. One that cannot be made any
 * more is dropped, with all that wait for it.
 *
 * @param facts as the cluster is, without moves that have yet to begin among those under way.
 */
export function nextSteps(
  facts: ClusterFacts,
  moves: readonly MoveUnderWay[],
  policy: SchedulingPolicy,
  limits: Limits,
): PlanStep[] {
  const now = moves.map((move) => ({ ...move }));
  const steps: PlanStep[] = [];
  const drop = (position: number, reason: string) => {
    now[position]!.state = 'dropped';
    steps.push({ action: 'drop', position, reason });
  };
  const held = new Set<number>();
  let state: ClusterState | undefined;
  for (;;) {
    const { ready, lost } = nextMoves(now);
    for (const position of lost) drop(position, 'a move that it waited for is off');
    const position = ready.find((each) => !held.has(each));
    if (position === undefined) return steps;
    state ??= new ClusterState(facts, limits.haReservation);
    const move = now[position]!;
    // What it waited for has arrived: the facts have it.
    const obstacle = obstacleToStep(state, { ...move, waitsFor: [] }, [], policy, limits);
    const mayGetRoom = () => now.slice(0, position).some((before) => before.state === 'approved');
    if (obstacle && (obstacle.isPassing || mayGetRoom())) held.add(position);
    else if (obstacle) drop(position, obstacle.reason);
    else {
      state.move(state.vm(move.vmId), state.host(move.destinationHostId));
      move.state = 'started';
      steps.push({ action: 'begin', position });
    }
  }
}
