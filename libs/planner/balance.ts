/** The policy evenly_distributed: relieves hosts that are over-utilized, then evens out CPU and memory. */
import type { EvenlyDistributedParameters, SchedulingPolicy } from '#contracts';
import type { Refusal } from './answers.js';
import { BestMoves, type Candidate, type Worth } from './best-moves.js';
import type { ClusterState } from './cluster-state.js';
import type { HostState } from './host-state.js';
import { costOf } from './cost.js';
import type { Part } from './evacuation.js';
import { Exchanges } from './exchange.js';
import type { VmFacts } from './facts.js';
import { costOfJoining, gainOf, imbalanceOf, reliefOfLeaving } from './imbalance.js';
import { whyImmovable, whyResting } from './movable.js';
import { type Room, explainBusy, explainObstacle, isBusy, obstacleTo } from './room.js';
import { pressureOf } from './pressure.js';
import { isPressed } from './score.js';
import type { Draft } from './sequence.js';
import { ROUNDING, loadOf, percent, points } from './words.js';

/**
 * The best single move, again and again: away from hosts that VMs wait for (pressure ranks before utilisation), then
 * from over-utilized ones as long as there are any, then away from
 * any host until imbalance is at the threshold. A move that would gain less than MinimumGain is not made, not even to
 * relieve a host: it would only carry the problem elsewhere. Where no single move helps, two VMs may change places
 * (exchange.ts). Since every move lowers the imbalance by a least amount,
 * plans come to an end and no VM is sent back and forth while loads stay as they are.
 */
export function balance(
  state: ClusterState,
  policy: Extract<SchedulingPolicy, { name: 'evenly_distributed' }>,
  room: Room,
  nowMs: number,
): Part {
  const { parameters } = policy;
  const isWaitedFor = (host: HostState) => isPressed(host, policy);
  const whyRelieved = (host: HostState) =>
    isWaitedFor(host)
      ? `VMs on ${host.name} wait for it ${percent(pressureOf(host))} of the time`
      : whyOverUtilized(host, parameters, nowMs);
  const isOver = (host: HostState) => whyRelieved(host) !== null;
  const isUneven = () => imbalanceOf(state) > parameters.ImbalanceThreshold + ROUNDING;
  if (!isUneven() && !state.hostsUp.some(isOver)) return { moves: [], refusals: [], deferred: 0 };

  const { eligible, refusals } = sortOut(state, nowMs);
  const worth = { minimumGain: parameters.MinimumGain, horizonSeconds: parameters.HorizonMinutes * 60 };
  const isDestination = (host: HostState) => !isPressed(host, policy);
  const search = new BestMoves(state, eligible, room, worth, isDestination);
  const exchanges = new Exchanges(state, eligible, room, worth, isDestination);
  const moves: Draft[] = [];
  for (;;) {
    const isWanted = isUneven() ? () => true : isOver;
    const next = search.next(isWaitedFor) ?? search.next(isOver) ?? search.next(isWanted);
    if (next) {
      moves.push(makeMove(state, next, whyRelieved(next.source), worth));
      search.moved(next);
      continue;
    }
    const together = exchanges.next(isWanted, search);
    if (together.length === 0) break;
    moves.push(...together);
  }

  const isStillWanted = isUneven() ? () => true : isOver;
  const unlimited = { ...room, maxMigrationsPerHost: Infinity };
  const later = deferredMoves(
    state,
    new BestMoves(state, eligible, unlimited, worth, isDestination),
    room,
    isStillWanted,
  );
  refusals.push(...later);
  if (later.length === 0) {
    for (const host of hostsToExplain(state, isOver, isUneven())) {
      refusals.push(...explainStaying(state, host, eligible[host.index]!, room, worth));
    }
  }
  return { moves, refusals, deferred: later.length };
}

type OverUtilized = Pick<
  EvenlyDistributedParameters,
  'HighUtilization' | 'CpuOverCommitDurationMinutes' | 'MaxFreeMemoryForOverUtilized'
>;

/** Why the host is over-utilized, as a clause; null if it is not. */
export function whyOverUtilized(host: HostState, parameters: OverUtilized, nowMs: number): string | null {
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
      const reason = whyImmovable(state, vm) ?? whyResting(vm, nowMs) ?? whyInCompany(state, vm, host);
      if (reason && isAboveAverage) refusals.push({ vmId: vm.id, hostId: null, reason });
      return reason === null;
    });
  });
  return { eligible, refusals };
}

/** VMs that must stay together are moved together, for maintenance and to save power; never for balance alone. */
function whyInCompany(state: ClusterState, vm: VmFacts, host: HostState): string | null {
  const [first] = state.affinity.companionsOf(vm, host.vms);
  return first ? `${vm.name} has to stay with ${first.name}; balancing leaves such VMs where they are` : null;
}

function makeMove(state: ClusterState, candidate: Candidate, overUtilized: string | null, worth: Worth): Draft {
  const { vm, source, destination, gain } = candidate;
  const cost = costOf(vm, source, destination);
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
    kind: 'balance',
    gain,
    benefit: gain * worth.horizonSeconds,
    cost,
  };
}

/** The best move away from each host that has to wait because one of its ends takes part in enough migrations. */
function deferredMoves(
  state: ClusterState,
  unlimited: BestMoves,
  room: Room,
  isWanted: (host: HostState) => boolean,
): Refusal[] {
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
  { minimumGain, horizonSeconds }: Worth,
): Refusal[] {
  const others = state.hostsUp.filter((host) => host !== source);
  return vms.flatMap((vm) => {
    const cheapest = others.toSorted((a, b) => costOfJoining(a, vm) - costOfJoining(b, vm))[0];
    if (!cheapest) return { vmId: vm.id, hostId: null, reason: 'there is no other host that is up' };
    const gain = gainOf(source, cheapest, reliefOfLeaving(source, vm) - costOfJoining(cheapest, vm));
    const cost = costOf(vm, source, cheapest).pointSeconds;
    const benefit = gain * horizonSeconds;
    const obstacle = obstacleTo(state, cheapest, vm, room);
    const route = `moving ${vm.name} to ${cheapest.name}`;
    const reason =
      gain < minimumGain + ROUNDING || (!obstacle && cost < benefit)
        ? `${route} would change imbalance by ${points(-gain)} points; a move must take off ${points(minimumGain)}`
        : obstacle
          ? explainObstacle(obstacle, state, cheapest, vm, room)
          : `${route} would cost ${points(cost)} point-seconds and bring ${points(benefit)}`;
    return { vmId: vm.id, hostId: cheapest.id, reason };
  });
}
