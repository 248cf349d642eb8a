/** A plan that is carried out, or waits for approval, while the cluster goes on: what comes next, and is it still right? */
import type { MoveState, SchedulingPolicy } from '#contracts';
import type { Move } from './answers.js';
import { ClusterState } from './cluster-state.js';
import type { ClusterFacts, Limits, VmFacts } from './facts.js';
import type { HostState } from './host-state.js';
import { imbalanceOf } from './imbalance.js';
import { whyImmovable } from './movable.js';
import { type Room, explainBusy, explainObstacle, isBusy, obstacleTo, roomFor } from './room.js';
import { points } from './words.js';

type Step = Pick<Move, 'vmId' | 'sourceHostId' | 'destinationHostId' | 'kind' | 'waitsFor'>;

interface Progress {
  readonly state: MoveState;
  readonly waitsFor: readonly number[];
}

const WILL_NOT_ARRIVE: ReadonlySet<MoveState> = new Set(['rejected', 'failed', 'dropped']);
const HAS_NOT_BEGUN: ReadonlySet<MoveState> = new Set(['proposed', 'approved']);

/** Positions of moves that may start now, and of those that never will, because one that they wait for does not arrive. */
export function nextMoves(moves: readonly Progress[]): { ready: number[]; lost: number[] } {
  const ready: number[] = [];
  const lost = new Set<number>();
  for (const [position, { state, waitsFor }] of moves.entries()) {
    if (!HAS_NOT_BEGUN.has(state)) continue;
    if (waitsFor.some((other) => lost.has(other) || WILL_NOT_ARRIVE.has(moves[other]!.state))) lost.add(position);
    else if (state === 'approved' && waitsFor.every((other) => moves[other]!.state === 'completed'))
      ready.push(position);
  }
  return { ready, lost: [...lost] };
}

/** What keeps a move from being made. `isPassing`: it waits for migrations of its hosts to end, and can start then. */
interface StepObstacle {
  readonly isPassing: boolean;
  readonly reason: string;
}

/**
 * Why a plan that waits for approval does not fit the cluster any more; null if it still does: its moves can be made, in
 * their order, and those that are to even out load still do.
 */
export function whyOutdated(
  facts: ClusterFacts,
  steps: readonly Step[],
  policy: SchedulingPolicy,
  limits: Limits,
): string | null {
  const state = new ClusterState(facts, limits.haReservation);
  const unlimited = { ...limits, maxMigrationsPerHost: Infinity };
  let before: number | null = null;
  let relief = 0;
  for (const [position, step] of steps.entries()) {
    const obstacle = obstacleToStep(state, step, steps.slice(0, position), policy, unlimited);
    if (obstacle) return obstacle.reason;
    const isForBalance = step.kind === 'balance' || step.kind === 'exchange';
    if (isForBalance && before === null) {
      // What other moves do to imbalance is none of its own; evacuations bring load from elsewhere.
      state.recentre();
      before = imbalanceOf(state);
    }
    const relieved = move(state, step);
    if (isForBalance) relief += relieved;
  }
  if (policy.name !== 'evenly_distributed' || before === null || relief > 0) return null;
  return `loads have changed: its moves would bring imbalance from ${points(before)} to ${points(imbalanceOf(state))}`;
}

/** Makes the move; returns by how much the spread of loads falls, and what soft rules held against the VM's place. */
function move(state: ClusterState, { vmId, destinationHostId }: Step): number {
  const vm = state.vm(vmId);
  const [source, destination] = [state.locationOf(vm), state.host(destinationHostId)];
  const { affinity } = state;
  const spread = state.sumOfSquaredDeviations;
  const held = affinity.penalty(vmId, source.index) - affinity.penalty(vmId, destination.index);
  state.move(vm, destination);
  return spread - state.sumOfSquaredDeviations + held;
}

/** What is in the way of a move that comes after those `before` it in its plan; null: nothing is. */
export function obstacleToStep(
  state: ClusterState,
  step: Step,
  before: readonly Step[],
  policy: SchedulingPolicy,
  limits: Limits,
): StepObstacle | null {
  const lasting = (reason: string) => ({ isPassing: false, reason });
  const vm = state.findVm(step.vmId);
  const source = state.findHost(step.sourceHostId);
  const destination = state.findHost(step.destinationHostId);
  if (!vm || !source || !destination) return lasting('its VM or one of its hosts is gone');
  if (state.locationOf(vm) !== source) return lasting(`${vm.name} is not on ${source.name} any more`);
  if (step.kind === 'evacuation' && source.facts.status !== 'preparing_for_maintenance')
    return lasting(`${source.name} is not to be emptied any more`);
  if (step.kind === 'evacuation' && source.facts.isEvacuationPaused)
    return { isPassing: true, reason: `the maintenance of ${source.name} is paused` };
  const hasComeBefore = before.some(({ vmId }) => vmId === vm.id);
  const immovable = hasComeBefore ? null : whyImmovable(state, vm);
  if (immovable) return lasting(immovable);
  const room = { ...roomOf(step, policy, limits), freedMiB: freedFor(state, step, before) };
  const together = state.affinity.companionsOf(vm, source.vms).filter((other) => !state.isMoving(other)).length;
  if (isBusy(source, room)) return { isPassing: true, reason: explainBusy(source) };
  const obstacle = obstacleTo(state, destination, vm, room, together);
  if (!obstacle) return null;
  return { isPassing: obstacle === 'busy', reason: explainObstacle(obstacle, state, destination, vm, room) };
}

function roomOf({ kind }: Step, policy: SchedulingPolicy, limits: Limits): Room {
  const isForLoad = kind === 'balance' || kind === 'exchange' || kind === 'power_saving';
  const high =
    'parameters' in policy && 'HighUtilization' in policy.parameters ? policy.parameters.HighUtilization : 100;
  return roomFor(policy, limits, isForLoad ? high : 100);
}

/** Memory on its destination that the moves which it waits for free. */
function freedFor(state: ClusterState, step: Step, before: readonly Step[]): Map<HostState, number> {
  const freed = new Map<HostState, number>();
  for (const position of step.waitsFor) {
    const other = before[position];
    const vm: VmFacts | undefined = other && state.findVm(other.vmId);
    if (!vm || other!.sourceHostId !== step.destinationHostId) continue;
    const host = state.host(other!.sourceHostId);
    freed.set(host, (freed.get(host) ?? 0) + vm.memoryMiB);
  }
  return freed;
}
