/** The best host for one VM, for whatever reason it needs one. */
import type { SchedulingPolicy } from '#contracts';
import { ClusterState, type Demand, type HostState } from './cluster-state.js';
import type { Check, Choice, ClusterFacts, HostRefusal, Limits, NewVm } from './facts.js';
import { costOfJoining } from './imbalance.js';
import { whyImmovable } from './movable.js';
import { type Obstacle, type Room, explainBusy, explainObstacle, isBusy, obstacleTo, roomFor } from './room.js';
import { ROUNDING, count, loadOf } from './words.js';

const NONE: SchedulingPolicy = { name: 'none' };
/** CPU that a VM is expected to use before it has run, in cores for each vCPU. */
const EXPECTED_CORES_PER_VCPU = 0.5;

export interface RefusedHost {
  readonly host: HostState;
  readonly obstacle: Obstacle;
}

/** The host that the demand brings least above the average, or why every one is refused. */
export function bestDestination(
  hosts: readonly HostState[],
  demand: Demand,
  room: Room,
): { host: HostState } | { host: null; refused: RefusedHost[] } {
  const refused: RefusedHost[] = [];
  let best: HostState | null = null;
  let lowestCost = Infinity;
  for (const host of hosts) {
    const obstacle = obstacleTo(host, demand, room);
    if (obstacle) {
      refused.push({ host, obstacle });
      continue;
    }
    const cost = costOfJoining(host, demand);
    if (cost < lowestCost - ROUNDING) {
      best = host;
      lowestCost = cost;
    }
  }
  return best ? { host: best } : { host: null, refused };
}

/**
 * The host on which a new VM starts best: where memory is free and load is lowest. What it will use is not known yet:
 * half of its vCPUs is assumed.
 */
export function placeVm(facts: ClusterFacts, vm: NewVm, policy: SchedulingPolicy): Choice {
  const state = new ClusterState(facts);
  return choice(state.hosts, expectedDemand(vm), placementRoom(policy), vm.name);
}

/** Whether a new VM may start on a host that somebody named. @throws RangeError if there is no such host. */
export function checkPlacement(facts: ClusterFacts, vm: NewVm, hostId: string, policy: SchedulingPolicy): Check {
  const state = new ClusterState(facts);
  return check(state.host(hostId), expectedDemand(vm), placementRoom(policy));
}

/**
 * The best destination for a VM that somebody wants to move, without minding its cooldown: that binds policies.
 * @throws RangeError if there is no such VM.
 */
export function chooseDestination(facts: ClusterFacts, vmId: string, limits: Limits): Choice {
  const state = new ClusterState(facts);
  const vm = state.vm(vmId);
  const room = roomFor(NONE, limits.maxMigrationsPerHost);
  const obstacle = whyImmovable(state, vm) ?? whyCannotLeave(state.host(vm.hostId), room);
  if (obstacle) return { hostId: null, reason: obstacle, refusals: [] };
  return choice(
    state.hosts.filter((host) => host.id !== vm.hostId),
    vm,
    room,
    vm.name,
  );
}

/** Whether a VM may be moved to a host that somebody named. @throws RangeError if there is no such VM or host. */
export function checkMove(facts: ClusterFacts, vmId: string, destinationHostId: string, limits: Limits): Check {
  const state = new ClusterState(facts);
  const vm = state.vm(vmId);
  const source = state.host(vm.hostId);
  const room = roomFor(NONE, limits.maxMigrationsPerHost);
  const obstacle = whyImmovable(state, vm) ?? whyCannotLeave(source, room);
  if (obstacle) return { ok: false, reason: obstacle };
  if (source.id === destinationHostId) return { ok: false, reason: `${vm.name} is on ${source.name} already` };
  return check(state.host(destinationHostId), vm, room);
}

const placementRoom = (policy: SchedulingPolicy): Room => roomFor(policy, Infinity, Infinity);

const expectedDemand = (vm: NewVm): Demand => ({
  cpuUsedCores: vm.vcpus * EXPECTED_CORES_PER_VCPU,
  memoryMiB: vm.memoryMiB,
  vcpus: vm.vcpus,
  ...(vm.hypervisor && { hypervisor: vm.hypervisor }),
  ...(vm.architecture && { architecture: vm.architecture }),
});

const whyCannotLeave = (source: HostState, room: Room): string | null =>
  isBusy(source, room) ? explainBusy(source) : null;

function check(host: HostState, demand: Demand, room: Room): Check {
  const obstacle = obstacleTo(host, demand, room);
  return obstacle ? { ok: false, reason: explainObstacle(obstacle, host, demand, room) } : { ok: true };
}

function choice(hosts: readonly HostState[], demand: Demand, room: Room, vmName: string): Choice {
  const best = bestDestination(hosts, demand, room);
  if (best.host) {
    return {
      hostId: best.host.id,
      reason: `of the hosts with room ${best.host.name} (${loadOf(best.host)}) suits ${vmName} best`,
    };
  }
  const refusals: HostRefusal[] = best.refused.map(({ host, obstacle }) => ({
    hostId: host.id,
    reason: explainObstacle(obstacle, host, demand, room),
  }));
  const reason =
    hosts.length === 0
      ? `there is no host to take ${vmName}`
      : `none of ${count(hosts.length, 'host')} can take ${vmName}: ${refusals
          .slice(0, 3)
          .map((refusal) => refusal.reason)
          .join('; ')}`;
  return { hostId: null, reason, refusals };
}
