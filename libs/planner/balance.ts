/** The policy evenly_distributed: relieves hosts that are over-utilized, then evens out CPU and memory. */
import type { EvenlyDistributedParameters, SchedulingPolicy } from '#contracts';
import type { Refusal } from './answers.js';
import { BestMoves, type Candidate, type Roles, type Worth } from './best-moves.js';
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
  const urgencyOf = (host: HostState) =>
    isWaitedFor(host) ? 2 : isShortOfMemory(host, parameters) || isShortOfCpu(host, parameters, nowMs) ? 1 : 0;
  const isOver = (host: HostState) => urgencyOf(host) > 0;
  const isUneven = () => imbalanceOf(state) > parameters.ImbalanceThreshold + ROUNDING;
  if (!isUneven() && !state.hostsUp.some(isOver)) return { moves: [], refusals: [], deferred: 0 };

  const { eligible, refusals } = sortOut(state, nowMs);
  const worth = { minimumGain: parameters.MinimumGain, horizonSeconds: parameters.HorizonMinutes * 60 };
  const isDestination = (host: HostState) => !isPressed(host, policy);
  const roles = { urgencyOf, isDestination };
  const search = new BestMoves(state, eligible, room, worth, roles);
  const exchanges = new Exchanges(state, eligible, room, worth, isDestination);
  const moves: Draft[] = [];
  for (;;) {
    const next = search.next(isUneven() ? 0 : 1);
    if (next) {
      moves.push(makeMove(state, next, whyRelieved(next.source), worth));
      search.changed([next.vm], [next.source, next.destination]);
      continue;
    }
    const together = exchanges.next(isUneven() ? () => true : isOver, search);
    if (together.length === 0) break;
    moves.push(...together);
  }

  const isStillWanted = isUneven() ? () => true : isOver;
  const later = deferredMoves(state, eligible, room, worth, roles, state.hostsUp.filter(isStillWanted));
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
  const { HighUtilization, MaxFreeMemoryForOverUtilized } = parameters;
  if (isShortOfMemory(host, parameters))
    return `${host.name} has ${freeMiB(host)} MiB of memory free, less than ${MaxFreeMemoryForOverUtilized}`;
  if (!isShortOfCpu(host, parameters, nowMs)) return null;
  return `${host.name} has been over CPU ${percent(HighUtilization)} for ${minutesOver(host, nowMs).toFixed(1)} minutes`;
}

const freeMiB = ({ facts, memoryUsedMiB }: HostState): number => facts.memoryMiB - memoryUsedMiB;

const isShortOfMemory = (host: HostState, { MaxFreeMemoryForOverUtilized }: OverUtilized): boolean =>
  freeMiB(host) < MaxFreeMemoryForOverUtilized;

const minutesOver = ({ facts: { overUtilizedSinceMs } }: HostState, nowMs: number): number =>
  overUtilizedSinceMs === null ? -Infinity : (nowMs - overUtilizedSinceMs) / 60_000;

const isShortOfCpu = (
  host: HostState,
  { HighUtilization, CpuOverCommitDurationMinutes }: OverUtilized,
  nowMs: number,
): boolean => host.cpuPercent > HighUtilization + ROUNDING && minutesOver(host, nowMs) >= CpuOverCommitDurationMinutes;

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
  eligible: readonly VmFacts[][],
  room: Room,
  worth: Worth,
  roles: Roles,
  wanted: readonly HostState[],
): Refusal[] {
  if (wanted.length === 0) return [];
  const unlimited = new BestMoves(state, eligible, { ...room, maxMigrationsPerHost: Infinity }, worth, roles);
  return wanted.flatMap((host) => {
    const candidate = unlimited.from(host);
    if (!candidate) return [];
    const { vm, source, destination } = candidate;
    const busy = isBusy(source, room) ? source : destination;
    return { vmId: vm.id, hostId: destination.id, reason: `${vm.name} waits for a later plan: ${explainBusy(busy)}` };
  });
}

/** Hosts whose VMs are all explained: more than these nobody reads. */
const MOST_EXPLAINED = 20;

const excess = (host: HostState): number => Math.max(host.cpuDeviation, host.memoryDeviation);

/** Over-utilized hosts, and the one furthest above the average if the cluster is uneven. */
function hostsToExplain(state: ClusterState, isOver: (host: HostState) => boolean, isUneven: boolean): HostState[] {
  const busiest = state.hostsUp.reduce<HostState | null>(
    (first, host) => (first && excess(first) >= excess(host) - ROUNDING ? first : host),
    null,
  );
  const over = state.hostsUp.filter((host) => host !== busiest && isOver(host)).slice(0, MOST_EXPLAINED - 1);
  return busiest && (isUneven || isOver(busiest)) ? [busiest, ...over] : over;
}

/** For each VM on the host that could move: what keeps it from going where it would help most. */
function explainStaying(
  state: ClusterState,
  source: HostState,
  vms: readonly VmFacts[],
  room: Room,
  { minimumGain, horizonSeconds }: Worth,
): Refusal[] {
  return vms.flatMap((vm) => {
    const cheapest = cheapestBut(source, state.hostsUp, vm);
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

/** The host that the VM would burden least, other than its own. */
function cheapestBut(source: HostState, hosts: readonly HostState[], vm: VmFacts): HostState | null {
  let cheapest: HostState | null = null;
  let lowest = Infinity;
  for (const host of hosts) {
    const cost = host === source ? Infinity : costOfJoining(host, vm);
    if (cost >= lowest) continue;
    cheapest = host;
    lowest = cost;
  }
  return cheapest;
}
