/** Empties the hosts that are to go into maintenance. */
import type { ClusterState, HostState } from './cluster-state.js';
import { type RefusedHost, bestDestination } from './destination.js';
import type { Move, Refusal, VmFacts } from './facts.js';
import { whyImmovable } from './movable.js';
import { type Room, explainBusy, explainObstacle, isBusy } from './room.js';
import { count, loadOf } from './words.js';

/** Enough to see what is wrong; the refusal of the VM as a whole counts the rest. */
const HOSTS_EXPLAINED_PER_VM = 10;

/**
 * Moves every VM away from hosts in preparing_for_maintenance, whatever its cooldown: the administrator waits. VMs with
 * most memory go first: they are the hardest to place, small ones fit into what is left (first-fit decreasing), and
 * since they take longest, starting them first ends the evacuation soonest. A VM that cannot go is refused, with the
 * reason for each host that might have taken it.
 */
export function evacuate(state: ClusterState, room: Room): { moves: Move[]; refusals: Refusal[]; deferred: number } {
  const moves: Move[] = [];
  const refusals: Refusal[] = [];
  let deferred = 0;

  for (const source of state.hosts) {
    if (source.facts.status !== 'preparing_for_maintenance') continue;
    const others = state.hosts.filter((host) => host !== source);
    for (const vm of source.vms.toSorted((a, b) => b.memoryMiB - a.memoryMiB)) {
      if (state.isMoving(vm)) continue;
      const refuse = (reason: string) => refusals.push({ vmId: vm.id, hostId: null, reason });

      const immovable = whyImmovable(state, vm);
      if (immovable) {
        refuse(`${source.name} is to be emptied, but ${immovable}`);
        continue;
      }
      const best = isBusy(source, room) ? null : bestDestination(others, vm, room);
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
        refusals.push(...explainNoDestination(vm, source, best.refused, room));
      }
    }
  }
  return { moves, refusals, deferred };
}

const evacuationMove = (vm: VmFacts, source: HostState, destination: HostState): Move => ({
  vmId: vm.id,
  sourceHostId: source.id,
  destinationHostId: destination.id,
  reason:
    `${source.name} is to be emptied for maintenance; of the hosts with room ` +
    `${destination.name} (${loadOf(destination)}) suits ${vm.name} best`,
  gain: 0,
  kind: 'evacuation',
});

function explainNoDestination(vm: VmFacts, source: HostState, refused: RefusedHost[], room: Room): Refusal[] {
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
      reason: explainObstacle(obstacle, host, vm, room),
    })),
  ];
}
