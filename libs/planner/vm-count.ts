/** The policy vm_evenly_distributed: about as many VMs on every host. */
import type { SchedulingPolicy } from '#contracts';
import type { Refusal } from './answers.js';
import type { ClusterState } from './cluster-state.js';
import type { HostState } from './host-state.js';
import { costOf } from './cost.js';
import { bestDestination } from './destination.js';
import type { Part } from './evacuation.js';
import type { VmFacts } from './facts.js';
import { HostOrder } from './host-order.js';
import { gainOf, costOfJoining, reliefOfLeaving } from './imbalance.js';
import { whyImmovable, whyResting } from './movable.js';
import { type Room, explainBusy, isBusy, obstacleTo } from './room.js';
import { isPressed } from './score.js';
import type { Draft } from './sequence.js';
import { count } from './words.js';

/** Destinations that are looked at for one plan, for each host; a count and no clock. */
const TRIED_PER_HOST = 500;

const vmCount = (host: HostState): number => host.residents.size;

/**
 * oVirt's rule: as soon as a host runs HighVmCount VMs, hosts whose count is MigrationThreshold or more above the
 * lowest give VMs to it, the cheapest to move first, until no two hosts differ by so much.
 */
export function evenOutCounts(
  state: ClusterState,
  policy: Extract<SchedulingPolicy, { name: 'vm_evenly_distributed' }>,
  room: Room,
  nowMs: number,
): Part {
  const { HighVmCount, MigrationThreshold } = policy.parameters;
  const moves: Draft[] = [];
  const refusals: Refusal[] = [];
  let deferred = 0;
  if (!state.hostsUp.some((host) => vmCount(host) >= HighVmCount)) return { moves, refusals, deferred };

  const destinations = state.hostsUp.filter((host) => !isPressed(host, policy));
  const all = new HostOrder(destinations, vmCount);
  const open = new HostOrder(
    destinations.filter((host) => !isBusy(host, room)),
    vmCount,
  );
  let left = TRIED_PER_HOST * state.hostsUp.length;
  const fewest = (source: HostState, vm: VmFacts): HostState | null => {
    const emptier: HostState[] = [];
    for (const host of open) {
      if (vmCount(source) - vmCount(host) < MigrationThreshold || left-- <= 0) break;
      if (state.affinity.concerns(vm.id)) emptier.push(host);
      else if (obstacleTo(state, host, vm, room) === null) return host;
    }
    const score = (host: HostState) => vmCount(host) + state.affinity.penalty(vm.id, host.index);
    return bestDestination(state, emptier, vm, room, score).host;
  };
  for (const source of state.hostsUp.toSorted((a, b) => vmCount(b) - vmCount(a) || a.index - b.index)) {
    const isAbove = () => vmCount(source) - all.keyAt(0) >= MigrationThreshold;
    if (!isAbove()) continue;
    const candidates = source.vms.filter((vm) => !state.isMoving(vm)).toSorted((a, b) => a.memoryMiB - b.memoryMiB);
    for (const vm of candidates) {
      if (!isAbove()) break;
      const [companion] = state.affinity.companionsOf(vm, source.vms);
      const staying =
        whyImmovable(state, vm) ??
        whyResting(vm, nowMs) ??
        (companion ? `${vm.name} has to stay with ${companion.name}` : null);
      if (staying) {
        refusals.push({ vmId: vm.id, hostId: null, reason: staying });
        continue;
      }
      if (isBusy(source, room)) {
        deferred++;
        refusals.push({
          vmId: vm.id,
          hostId: null,
          reason: `${vm.name} waits for a later plan: ${explainBusy(source)}`,
        });
        break;
      }
      const destination = fewest(source, vm);
      if (!destination) continue;
      moves.push(countMove(vm, source, destination));
      state.move(vm, destination);
      for (const host of [source, destination]) {
        all.update(host);
        if (isBusy(host, room)) open.delete(host);
        else open.update(host);
      }
    }
  }
  return { moves, refusals, deferred };
}

function countMove(vm: VmFacts, source: HostState, destination: HostState): Draft {
  const relief = reliefOfLeaving(source, vm) - costOfJoining(destination, vm);
  return {
    vmId: vm.id,
    sourceHostId: source.id,
    destinationHostId: destination.id,
    reason:
      `${source.name} runs ${count(vmCount(source), 'VM')}, ` +
      `${destination.name} ${count(vmCount(destination), 'VM')}; ${vm.name} evens that out`,
    kind: 'balance',
    gain: Math.max(0, gainOf(source, destination, relief)),
    benefit: null,
    cost: costOf(vm, source, destination),
  };
}
