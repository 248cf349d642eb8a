/** The best host for one VM, for whatever reason it needs one. */
import type { SchedulingPolicy } from '#contracts';
import type { Check, Choice, HostRefusal } from './answers.js';
import { ClusterState } from './cluster-state.js';
import { type Demand, EXPECTED_CORES_PER_VCPU, type HostState, UNMEASURED } from './host-state.js';
import type { ClusterFacts, Limits, NewVm } from './facts.js';
import { whyImmovable } from './movable.js';
import { type Obstacle, type Room, explainBusy, explainObstacle, isBusy, obstacleTo, roomFor } from './room.js';
import { type Score, scoreOf } from './score.js';
import { ROUNDING, count, loadOf } from './words.js';

const NONE: SchedulingPolicy = { name: 'none' };

export interface RefusedHost {
  readonly host: HostState;
  readonly obstacle: Obstacle;
}

/** The host with the lowest score, or why every one is refused. */
export function bestDestination(
  state: ClusterState,
  hosts: readonly HostState[],
  demand: Demand,
  room: Room,
  score: Score,
  together = 0,
): { host: HostState } | { host: null; refused: RefusedHost[] } {
  const refused: RefusedHost[] = [];
  let best: HostState | null = null;
  let lowest = Infinity;
  for (const host of hosts) {
    // Most hosts are no better than the best so far: whether they have room is asked of the others alone.
    const value = score(host, demand);
    if (value >= lowest - ROUNDING) continue;
    const obstacle = obstacleTo(state, host, demand, room, together);
    if (obstacle) refused.push({ host, obstacle });
    else {
      best = host;
      lowest = value;
    }
  }
  return best ? { host: best } : { host: null, refused };
}

/**
 * The host on which a new VM starts best: where memory is free and load is lowest. What it will use is not known yet:
 * half of its vCPUs is assumed.
 */
export function placeVm(facts: ClusterFacts, vm: NewVm, policy: SchedulingPolicy, limits: Limits): Choice {
  if (policy.name === 'cluster_maintenance') return { hostId: null, reason: NO_STARTS, refusals: [] };
  const state = stateFor(facts, vm, limits);
  return choice(state, state.hosts, expectedDemand(vm), placementRoom(policy, limits), scoreOf(policy, state));
}

/** Whether a new VM may start on a host that somebody named. @throws RangeError if there is no such host. */
export function checkPlacement(
  facts: ClusterFacts,
  vm: NewVm,
  hostId: string,
  policy: SchedulingPolicy,
  limits: Limits,
): Check {
  if (policy.name === 'cluster_maintenance') return { ok: false, reason: NO_STARTS };
  const state = stateFor(facts, vm, limits);
  return check(state, state.host(hostId), expectedDemand(vm), placementRoom(policy, limits));
}

/**
 * The best destination for a VM that somebody wants to move, without minding its cooldown: that binds policies.
 * @throws RangeError if there is no such VM.
 */
export function chooseDestination(facts: ClusterFacts, vmId: string, limits: Limits): Choice {
  const state = new ClusterState(facts, limits.haReservation);
  const vm = state.vm(vmId);
  const room = roomFor(NONE, limits);
  const obstacle = whyImmovable(state, vm) ?? whyCannotLeave(state.host(vm.hostId), room);
  if (obstacle) return { hostId: null, reason: obstacle, refusals: [] };
  const others = state.hosts.filter((host) => host.id !== vm.hostId);
  return choice(state, others, vm, room, scoreOf(NONE, state));
}

/** Whether a VM may be moved to a host that somebody named. @throws RangeError if there is no such VM or host. */
export function checkMove(facts: ClusterFacts, vmId: string, destinationHostId: string, limits: Limits): Check {
  const state = new ClusterState(facts, limits.haReservation);
  const vm = state.vm(vmId);
  const source = state.host(vm.hostId);
  const room = roomFor(NONE, limits);
  const obstacle = whyImmovable(state, vm) ?? whyCannotLeave(source, room);
  if (obstacle) return { ok: false, reason: obstacle };
  if (source.id === destinationHostId) return { ok: false, reason: `${vm.name} is on ${source.name} already` };
  return check(state, state.host(destinationHostId), vm, room);
}

const NO_STARTS =
  'the policy cluster_maintenance lets no VM start; choose another scheduling policy when the work is done';

const placementRoom = (policy: SchedulingPolicy, limits: Limits): Room => ({
  ...roomFor(policy, limits, Infinity),
  maxMigrationsPerHost: Infinity,
});

function stateFor(facts: ClusterFacts, vm: NewVm, limits: Limits): ClusterState {
  const state = new ClusterState(facts, limits.haReservation);
  state.affinity.introduce(vm);
  return state;
}

const expectedDemand = ({ id, name, vcpus, memoryMiB, hypervisor, architecture, nics, localDisks }: NewVm): Demand => ({
  ...UNMEASURED,
  id,
  name,
  cpuUsedCores: vcpus * EXPECTED_CORES_PER_VCPU,
  memoryMiB,
  vcpus,
  ...(hypervisor && { hypervisor }),
  ...(architecture && { architecture }),
  ...(nics && { nics }),
  ...(localDisks && { localDisks }),
});

const whyCannotLeave = (source: HostState, room: Room): string | null =>
  isBusy(source, room) ? explainBusy(source) : null;

function check(state: ClusterState, host: HostState, demand: Demand, room: Room): Check {
  const obstacle = obstacleTo(state, host, demand, room);
  return obstacle ? { ok: false, reason: explainObstacle(obstacle, state, host, demand, room) } : { ok: true };
}

function choice(state: ClusterState, hosts: readonly HostState[], demand: Demand, room: Room, score: Score): Choice {
  const best = bestDestination(state, hosts, demand, room, score);
  if (best.host) {
    return {
      hostId: best.host.id,
      reason: `of the hosts with room ${best.host.name} (${loadOf(best.host)}) suits ${demand.name} best`,
    };
  }
  const refusals: HostRefusal[] = best.refused.map(({ host, obstacle }) => ({
    hostId: host.id,
    reason: explainObstacle(obstacle, state, host, demand, room),
  }));
  const reason =
    hosts.length === 0
      ? `there is no host to take ${demand.name}`
      : `none of ${count(hosts.length, 'host')} can take ${demand.name}: ${refusals
          .slice(0, 3)
          .map((refusal) => refusal.reason)
          .join('; ')}`;
  return { hostId: null, reason, refusals };
}
