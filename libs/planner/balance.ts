/** The policy evenly_distributed: relieves hosts that are over-utilized, then evens out CPU and memory. */
import type { EvenlyDistributedParameters } from '#contracts';
import { BestMoves, type Candidate } from './best-moves.js';
import type { ClusterState, HostState } from './cluster-state.js';
import type { Move, Refusal, VmFacts } from './facts.js';
import { costOfJoining, gainOf, imbalanceOf, reliefOfLeaving } from './imbalance.js';
import { whyImmovable, whyResting } from './movable.js';
import { type Room, explainBusy, explainObstacle, isBusy, obstacleTo } from './room.js';
import { ROUNDING, loadOf, percent, points } from './words.js';

/**
 * The best single move, again and again: away from over-utilized hosts as long as there are any, then away from
 * any host until imbalance is at the threshold. A move that would gain less than MinimumGain is not made, not even to
 * relieve a host: it would only carry the problem elsewhere. Since every move lowers the imbalance by a least amount,
 * plans come to an end and no VM is sent back and forth while loads stay as they are.
 */
export function balance(
  state: ClusterState,
  parameters: EvenlyDistributedParameters,
  room: Room,
  nowMs: number,
): { moves: Move[]; refusals: Refusal[]; deferred: number } {
  const isOver = (host: HostState) => whyOverUtilized(host, parameters, nowMs) !== null;
  const isUneven = () => imbalanceOf(state) > parameters.ImbalanceThreshold + ROUNDING;
  if (!isUneven() && !state.hostsUp.some(isOver)) return { moves: [], refusals: [], deferred: 0 };

  const { eligible, refusals } = sortOut(state, nowMs);
  const search = new BestMoves(state, eligible, room, parameters.MinimumGain);
  const moves: Move[] = [];
  for (;;) {
    const next = search.next(isOver) ?? (isUneven() ? search.next(() => true) : null);
    if (!next) break;
    moves.push(makeMove(state, next, whyOverUtilized(next.source, parameters, nowMs)));
    search.moved(next);
  }

  const isStillWanted = isUneven() ? () => true : isOver;
  const later = deferredMoves(state, eligible, room, parameters, isStillWanted);
  refusals.push(...later);
  if (later.length === 0) {
    for (const host of hostsToExplain(state, isOver, isUneven())) {
      refusals.push(...explainStaying(state, host, eligible[host.index]!, room, parameters));
    }
  }
  return { moves, refusals, deferred: later.length };
}

/** Why the host is over-utilized, as a clause; null if it is not. */
function whyOverUtilized(host: HostState, parameters: EvenlyDistributedParameters, nowMs: number): string | null {
  const { HighUtilization, CpuOverCommitDurationMinutes, MaxFreeMemoryForOverUtilized } = parameters;
  const freeMiB = host.facts.memoryMiB - host.memoryUsedMiB;
  if (freeMiB < MaxFreeMemoryForOverUtilized) {
    return `${host.name} has ${freeMiB} MiB of memory free, less than ${MaxFreeMemoryForOverUtilized}`;
  }
  const since = host.facts.overUtilizedSinceMs;
  if (since === null || host.cpuPercent <= HighUtilization + ROUNDING) return null;
  const minutes = (nowMs - since) / 60_000;
  if (minutes < CpuOverCommitDurationMinutes) return null;
  return `${host.name} has been over CPU ${percent(HighUtilization)} for ${minutes.toFixed(1)} minutes`;
}

/** Which VMs may move, by host; and refusals of those that may not, on hosts that a move would help. */
function sortOut(state: ClusterState, nowMs: number): { eligible: VmFacts[][]; refusals: Refusal[] } {
  const refusals: Refusal[] = [];
  const eligible = state.hosts.map((host) => {
    if (!host.isUp) return [];
    const isAboveAverage = host.cpuDeviation > ROUNDING || host.memoryDeviation > ROUNDING;
    return host.vms.filter((vm) => {
      if (state.isMoving(vm)) return false;
      const reason = whyImmovable(state, vm) ?? whyResting(vm, nowMs);
      if (reason && isAboveAverage) refusals.push({ vmId: vm.id, hostId: null, reason });
      return reason === null;
    });
  });
  return { eligible, refusals };
}

function makeMove(state: ClusterState, candidate: Candidate, overUtilized: string | null): Move {
  const { vm, source, destination, gain } = candidate;
  const before = imbalanceOf(state);
  const loads = `${source.name} runs at ${loadOf(source)}; ${destination.name} at ${loadOf(destination)}`;
  state.move(vm, destination);
  const why = overUtilized ? `${overUtilized}; ` : '';
  const effect = `moving ${vm.name} there takes ${points(gain)} points of imbalance off the two`;
  const cluster = `the cluster's falls from ${points(before)} to ${points(imbalanceOf(state))}`;
  return {
    vmId: vm.id,
    sourceHostId: source.id,
    destinationHostId: destination.id,
    reason: `${why}${loads}; ${effect}, ${cluster}`,
    gain,
    kind: 'balance',
  };
}

/** The best move away from each host that has to wait because one of its ends takes part in enough migrations. */
function deferredMoves(
  state: ClusterState,
  eligible: readonly VmFacts[][],
  room: Room,
  parameters: EvenlyDistributedParameters,
  isWanted: (host: HostState) => boolean,
): Refusal[] {
  const unlimited = new BestMoves(state, eligible, { ...room, maxMigrationsPerHost: Infinity }, parameters.MinimumGain);
  return state.hostsUp.filter(isWanted).flatMap((host) => {
    const candidate = unlimited.next((source) => source === host);
    if (!candidate) return [];
    const { vm, source, destination } = candidate;
    const busy = isBusy(source, room) ? source : destination;
    return { vmId: vm.id, hostId: destination.id, reason: `${vm.name} waits for a later plan: ${explainBusy(busy)}` };
  });
}

const excess = (host: HostState): number => Math.max(host.cpuDeviation, host.memoryDeviation);

/** Over-utilized hosts, and the one furthest above the average if the cluster is uneven. */
function hostsToExplain(state: ClusterState, isOver: (host: HostState) => boolean, isUneven: boolean): HostState[] {
  const busiest = state.hostsUp.reduce<HostState | null>(
    (first, host) => (first && excess(first) >= excess(host) - ROUNDING ? first : host),
    null,
  );
  return state.hostsUp.filter((host) => isOver(host) || (isUneven && host === busiest));
}

/** For each VM on the host that could move: what keeps it from going where it would help most. */
function explainStaying(
  state: ClusterState,
  source: HostState,
  vms: readonly VmFacts[],
  room: Room,
  { MinimumGain }: EvenlyDistributedParameters,
): Refusal[] {
  const others = state.hostsUp.filter((host) => host !== source);
  return vms.flatMap((vm) => {
    const cheapest = others.toSorted((a, b) => costOfJoining(a, vm) - costOfJoining(b, vm))[0];
    if (!cheapest) return { vmId: vm.id, hostId: null, reason: 'there is no other host that is up' };
    const gain = gainOf(source, cheapest, reliefOfLeaving(source, vm) - costOfJoining(cheapest, vm));
    const obstacle = obstacleTo(cheapest, vm, room);
    const reason =
      gain < MinimumGain + ROUNDING || !obstacle
        ? `moving ${vm.name} to ${cheapest.name} would change imbalance by ${points(-gain)} points; a move must take off ${points(MinimumGain)}`
        : explainObstacle(obstacle, cheapest, vm, room);
    return { vmId: vm.id, hostId: cheapest.id, reason };
  });
}
