/** Empties the hosts that are to go into maintenance. */
import type { Refusal } from './answers.js';
import type { ClusterState } from './cluster-state.js';
import { type HostState, networkOf } from './host-state.js';
import { costOf } from './cost.js';
import { type RefusedHost, bestDestination } from './destination.js';
import type { VmFacts } from './facts.js';
import type { RoomMaker } from './make-room.js';
import { whyImmovable } from './movable.js';
import { type Room, explainBusy, explainObstacle, isBusy } from './room.js';
import type { Score } from './score.js';
import type { Draft } from './sequence.js';
import { count, loadOf } from './words.js';

/** Enough to see what is wrong; the refusal of the VM as a whole counts the rest. */
const HOSTS_EXPLAINED_PER_VM = 10;

/** What one part of a plan does, and what it leaves. */
export interface Part {
  readonly moves: Draft[];
  readonly refusals: Refusal[];
  /** Moves that wait for a later plan, because their hosts take part in enough migrations. */
  readonly deferred: number;
}

/**
 * Moves every VM away from hosts in preparing_for_maintenance, whatever its cooldown: the administrator waits. VMs of
 * higher priority go first; of equal ones those with most memory: they are the hardest to place, small ones fit into
 * what is left (first-fit decreasing), and since they take longest, starting them first ends the evacuation soonest. VMs
 * that a hard rule keeps together leave for the same host. Where a VM fits nowhere, others step aside for it. A VM that
 * cannot go is refused, with the reason for each host that might have taken it.
 */
export function evacuate(state: ClusterState, room: Room, score: Score, roomMaker: RoomMaker): Part {
  const moves: Draft[] = [];
  const refusals: Refusal[] = [];
  let deferred = 0;

  for (const source of state.hosts) {
    if (source.facts.status !== 'preparing_for_maintenance' || source.facts.isEvacuationPaused) continue;
    const others = state.hosts.filter((host) => host !== source);
    for (const vm of source.vms.toSorted(byPriority)) {
      if (state.isMoving(vm)) continue;
      const refuse = (reason: string) => refusals.push({ vmId: vm.id, hostId: null, reason });

      const immovable = whyImmovable(state, vm);
      if (immovable) {
        refuse(`${source.name} is to be emptied, but ${immovable}`);
        continue;
      }
      const companions = companionsLeft(state, vm, source);
      const best = isBusy(source, room)
        ? null
        : bestDestination(state, others, asOne(vm, companions), room, score, companions.length);
      if (best?.host) {
        moves.push(evacuationMove(vm, source, best.host));
        state.move(vm, best.host);
        continue;
      }
      const waitsFor = best ? best.refused.find(({ obstacle }) => obstacle === 'busy')?.host : source;
      if (waitsFor) {
        deferred++;
        refuse(`${vm.name} leaves ${source.name} with a later plan: ${explainBusy(waitsFor)}`);
      } else if (best) {
        const cleared = companions.length === 0 ? roomMaker.clear(vm, others) : null;
        if (cleared) {
          moves.push(...cleared.before, evacuationMove(vm, source, cleared.host, cleared.before));
          state.move(vm, cleared.host);
        } else refusals.push(...explainNoDestination(state, vm, source, best.refused, room));
      }
    }
  }
  return { moves, refusals, deferred };
}

const byPriority = (a: VmFacts, b: VmFacts): number =>
  (b.priority ?? 1) - (a.priority ?? 1) || b.memoryMiB - a.memoryMiB;

/** VMs that have to stay with this one, and have yet to leave the host. */
const companionsLeft = (state: ClusterState, vm: VmFacts, source: HostState): VmFacts[] =>
  state.affinity.companionsOf(vm, source.vms).filter((other) => whyImmovable(state, other) === null);

/** What the VM and those that go with it need of a host. */
export function asOne(vm: VmFacts, companions: readonly VmFacts[]): VmFacts {
  if (companions.length === 0) return vm;
  const sum = (of: (each: VmFacts) => number) => companions.reduce((total, each) => total + of(each), of(vm));
  return {
    ...vm,
    memoryMiB: sum((each) => each.memoryMiB),
    cpuUsedCores: sum((each) => each.cpuUsedCores),
    networkUsedMiBps: sum(networkOf),
  };
}

const evacuationMove = (
  vm: VmFacts,
  source: HostState,
  destination: HostState,
  after: readonly Draft[] = [],
): Draft => ({
  vmId: vm.id,
  sourceHostId: source.id,
  destinationHostId: destination.id,
  reason:
    after.length === 0
      ? `${source.name} is to be emptied for maintenance; of the hosts with room ` +
        `${destination.name} (${loadOf(destination)}) suits ${vm.name} best`
      : `${source.name} is to be emptied for maintenance; ${vm.name} fits onto ${destination.name} ` +
        `once ${count(after.length, 'other VM')} made room`,
  kind: 'evacuation',
  gain: 0,
  benefit: null,
  cost: costOf(vm, source, destination),
  after,
});

function explainNoDestination(
  state: ClusterState,
  vm: VmFacts,
  source: HostState,
  refused: RefusedHost[],
  room: Room,
): Refusal[] {
  const explained = refused
    .toSorted((a, b) => Number(b.host.isUp) - Number(a.host.isUp))
    .slice(0, HOSTS_EXPLAINED_PER_VM);
  const whole =
    refused.length === 0
      ? `${source.name} is to be emptied, but there is no other host; add one, or stop ${vm.name}`
      : `${source.name} is to be emptied, but none of ${count(refused.length, 'other host')} can take ${vm.name}; ` +
        `make room, add a host, or stop the VM`;
  return [
    { vmId: vm.id, hostId: null, reason: whole },
    ...explained.map(({ host, obstacle }) => ({
      vmId: vm.id,
      hostId: host.id,
      reason: explainObstacle(obstacle, state, host, vm, room),
    })),
  ];
}
