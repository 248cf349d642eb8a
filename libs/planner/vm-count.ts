/** The policy vm_evenly_distributed: about as many VMs on every host. */
import type { SchedulingPolicy } from '#contracts';
import type { Refusal } from './answers.js';
import type { ClusterState } from './cluster-state.js';
import type { HostState } from './host-state.js';
import { costOf } from './cost.js';
import { bestDestination } from './destination.js';
import type { Part } from './evacuation.js';
import type { VmFacts } from './facts.js';
import { gainOf, costOfJoining, reliefOfLeaving } from './imbalance.js';
import { whyImmovable, whyResting } from './movable.js';
import { type Room, explainBusy, isBusy } from './room.js';
import { isPressed } from './score.js';
import type { Draft } from './sequence.js';
import { count } from './words.js';

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
  if (!state.hostsUp.some((host) => host.residents.size >= HighVmCount)) return { moves, refusals, deferred };

  const destinations = state.hostsUp.filter((host) => !isPressed(host, policy));
  const lowest = () => destinations.reduce((least, host) => Math.min(least, host.residents.size), Infinity);
  for (const source of state.hostsUp.toSorted((a, b) => b.residents.size - a.residents.size || a.index - b.index)) {
    const isAbove = () => source.residents.size - lowest() >= MigrationThreshold;
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
      const emptier = destinations.filter(
        (host) => source.residents.size - host.residents.size >= MigrationThreshold && host !== source,
      );
      const best = bestDestination(
        state,
        emptier,
        vm,
        room,
        (host) => host.residents.size + state.affinity.penalty(vm.id, host.index),
      );
      if (!best.host) continue;
      moves.push(countMove(vm, source, best.host));
      state.move(vm, best.host);
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
      `${source.name} runs ${count(source.residents.size, 'VM')}, ` +
      `${destination.name} ${count(destination.residents.size, 'VM')}; ${vm.name} evens that out`,
    kind: 'balance',
    gain: Math.max(0, gainOf(source, destination, relief)),
    benefit: null,
    cost: costOf(vm, source, destination),
  };
}
