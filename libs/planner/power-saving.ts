/** The policy power_saving: few hosts, well filled; the others empty, in maintenance, and switched off. */
import type { HostAction, MoveKind, Refusal } from './answers.js';
import { whyOverUtilized } from './balance.js';
import type { ClusterState } from './cluster-state.js';
import type { HostState } from './host-state.js';
import { costOf } from './cost.js';
import type { Part } from './evacuation.js';
import type { ClusterFacts, Limits, VmFacts } from './facts.js';
import { type PowerSaving, hostActionsFor } from './host-power.js';
import { whyImmovable, whyResting } from './movable.js';
import { Packing } from './packing.js';
import { type Room, isBusy, roomFor } from './room.js';
import { pressureOf } from './pressure.js';
import { isPressed, wattsPerCore } from './score.js';
import { type Draft, withRounds } from './sequence.js';
import { ROUNDING, count, percent, points } from './words.js';

/** Share of its highest draw that a host of unknown power is taken to draw when idle. */
const ASSUMED_IDLE_SHARE = 0.5;

/**
 * First VMs leave hosts that are over-utilized, as few as will do. Then hosts below LowUtilization are emptied, the one
 * first that is worth most: its VMs go where they fit with their peaks (PeakDeviations), to the fullest of the hosts
 * that do most with a watt; all of them, or none. A host whose VMs rest after a move is left alone, so that no load
 * that goes up and down sends VMs to and fro.
 */
export function savePower(
  state: ClusterState,
  facts: ClusterFacts,
  policy: PowerSaving,
  limits: Limits,
  nowMs: number,
): Part & { hostActions: HostAction[] } {
  const { parameters } = policy;
  const room: Room = {
    ...withRounds(roomFor(policy, limits, parameters.HighUtilization)),
    peakDeviations: parameters.PeakDeviations,
    policyAtMs: nowMs,
  };
  const packing = new Packing(state, room, policy);
  const relief = relieve(state, packing, policy, room, nowMs);
  const emptying = consolidate(state, facts, packing, policy, room, nowMs);
  const { hostActions, refusals } = hostActionsFor(state, facts, policy, relief.homeless, nowMs);
  return {
    moves: [...relief.moves, ...emptying.moves],
    refusals: [...relief.refusals, ...emptying.refusals, ...refusals],
    deferred: relief.deferred + emptying.deferred,
    hostActions,
  };
}

/** Takes as few VMs as will do from hosts that are over-utilized; `homeless`: those that no other host has room for. */
function relieve(
  state: ClusterState,
  packing: Packing,
  { parameters, ...policy }: PowerSaving,
  room: Room,
  nowMs: number,
): Part & { homeless: VmFacts[] } {
  const moves: Draft[] = [];
  const refusals: Refusal[] = [];
  const homeless: VmFacts[] = [];
  let deferred = 0;
  for (const source of state.hostsUp) {
    const over =
      whyOverUtilized(source, parameters, nowMs) ??
      (isPressed(source, { ...policy, parameters }) ? `VMs on ${source.name} wait for it` : null);
    if (over === null) continue;
    const tried = new Set<VmFacts>();
    let waiting = 0;
    const excess = () => source.cpuPercent - waiting - parameters.HighUtilization;
    for (let isFirst = true; isFirst || excess() > ROUNDING; isFirst = false) {
      const vm = whoLeaves(state, source, excess(), tried, nowMs);
      if (!vm) break;
      tried.add(vm);
      if (isBusy(source, room)) {
        deferred++;
        refusals.push({ vmId: vm.id, hostId: null, reason: `${vm.name} waits for a later plan: ${over}` });
        break;
      }
      const destination = packing.find(vm, source, { emptyToo: true });
      if (!destination) {
        homeless.push(vm);
        waiting += vm.cpuUsedCores * source.percentPerCore;
        refusals.push({ vmId: vm.id, hostId: null, reason: `${over}, but no host that is up has room for ${vm.name}` });
        continue;
      }
      const benefit = pointsFreed(source, vm) * parameters.HorizonMinutes * 60;
      const { pointSeconds } = costOf(vm, source, destination);
      if (pointSeconds >= benefit) {
        const weighed = `moving ${vm.name} would cost ${points(pointSeconds)} point-seconds and bring ${points(benefit)}`;
        refusals.push({ vmId: vm.id, hostId: destination.id, reason: `${over}, but ${weighed}` });
        continue;
      }
      moves.push(
        toMove(vm, source, destination, `${over}; ${vm.name} fits onto ${destination.name}`, 'balance', benefit),
      );
      packing.move(vm, destination);
    }
  }
  return { moves, refusals, homeless, deferred };
}

/** Percent points that the VM leaves to the others: of CPU and memory, and of the time that they had to wait. */
function pointsFreed(source: HostState, vm: VmFacts): number {
  const cpu = vm.cpuUsedCores * source.percentPerCore;
  const share = source.cpuUsedCores > 0 ? vm.cpuUsedCores / source.cpuUsedCores : 0;
  return cpu + vm.memoryMiB * source.percentPerMiB + share * pressureOf(source);
}

/** Of the VMs that would relieve the host by themselves the one with least memory; else the one that uses most CPU. */
function whoLeaves(
  state: ClusterState,
  source: HostState,
  excessPercent: number,
  tried: ReadonlySet<VmFacts>,
  nowMs: number,
): VmFacts | null {
  const movable = source.vms.filter(
    (vm) => !tried.has(vm) && !whyStays(state, vm, nowMs) && state.affinity.companionsOf(vm, source.vms).length === 0,
  );
  const enough = movable.filter((vm) => vm.cpuUsedCores * source.percentPerCore >= excessPercent);
  const [best] =
    enough.length > 0
      ? enough.toSorted((a, b) => a.memoryMiB - b.memoryMiB || a.cpuUsedCores - b.cpuUsedCores)
      : movable.toSorted((a, b) => b.cpuUsedCores - a.cpuUsedCores);
  return best ?? null;
}

const whyStays = (state: ClusterState, vm: VmFacts, nowMs: number): string | null =>
  whyImmovable(state, vm) ?? whyResting(vm, nowMs);

/** Empties hosts, the ones first whose power saved is largest for what their moves cost. */
function consolidate(
  state: ClusterState,
  { forecastOffCores }: ClusterFacts,
  packing: Packing,
  { parameters }: PowerSaving,
  room: Room,
  nowMs: number,
): Part {
  const moves: Draft[] = [];
  const refusals: Refusal[] = [];
  let deferred = 0;
  const gone = new Set<HostState>();
  const seconds = parameters.HorizonMinutes * 60;
  let coresLeft = state.hostsUp.reduce((sum, { facts }) => sum + facts.cpuCores, 0);
  const low = state.hostsUp.filter((host) => isLow(host, parameters.LowUtilization));
  for (const source of worstFirst(low, seconds)) {
    // What arrives rests there: the host would not become empty.
    if (!isLow(source, parameters.LowUtilization) || source.isArrivedAt) continue;
    const leaving = source.vms.filter((vm) => !state.isMoving(vm));
    const staying = leaving.map((vm) => whyStays(state, vm, nowMs)).filter((reason) => reason !== null);
    if (staying.length > 0) {
      refusals.push({ vmId: null, hostId: source.id, reason: `${source.name} is not emptied: ${staying.join('; ')}` });
      continue;
    }
    const benefit = idlePoints(source) * seconds;
    const route = packing.empty(source, leaving);
    const cost =
      route?.reduce((sum, { vm, destination }) => sum + costOf(vm, source, destination).pointSeconds, 0) ?? 0;
    const coresWithout = coresLeft - source.facts.cpuCores;
    const isNeeded = coresWithout * (parameters.HighUtilization / 100) < (forecastOffCores ?? 0);
    const isKept =
      !route || isNeeded || cost >= benefit || !state.reservation.allowsWithout(new Set([...gone, source]));
    if (isKept) {
      if (route) packing.takeBack(source, route);
      const why = !route
        ? 'its VMs with their peaks fit on no hosts that are in use'
        : isNeeded
          ? 'more load is expected soon than the others could carry'
          : cost >= benefit
            ? `moving its VMs would cost ${points(cost)} point-seconds and bring ${points(benefit)}`
            : 'its memory is needed if hosts fail';
      refusals.push({ vmId: null, hostId: source.id, reason: `${source.name} is not emptied: ${why}` });
      continue;
    }
    gone.add(source);
    coresLeft = coresWithout;
    const reason = `${source.name} runs at CPU ${percent(cpuBefore(source))}, and its ${count(source.vms.length, 'VM')} fit elsewhere`;
    for (const { vm, destination } of route) {
      if (!packing.mayStart(source, destination, room)) {
        deferred++;
        refusals.push({
          vmId: vm.id,
          hostId: destination.id,
          reason: `${vm.name} leaves ${source.name} with a later plan`,
        });
        continue;
      }
      packing.start(source, destination);
      const why = `${reason}; ${vm.name} goes to ${destination.name}`;
      moves.push(toMove(vm, source, destination, why, 'power_saving', benefit / route.length));
    }
  }
  return { moves, refusals, deferred };
}

/** Runs VMs, and so little that it had better run none. */
const isLow = (host: HostState, lowUtilization: number): boolean =>
  host.residents.size > 0 && host.cpuPercent < lowUtilization;

const cpuBefore = (host: HostState): number => host.facts.cpuUsedCores * host.percentPerCore;

/** A host counts as so much more wasteful for each year of its age: what is old fails sooner, and is replaced first. */
const WASTE_PER_YEAR = 0.03;

/**
 * The hosts in the order in which they had best be emptied: by what they draw for each core that they can give, more for
 * their age, less by the share of the benefit that their moves would cost, in halves: less than a quarter counts for nothing. Of equals the one that runs least.
 */
function worstFirst(hosts: readonly HostState[], seconds: number): HostState[] {
  const worth = new Map(
    hosts.map((host) => {
      const moving = host.vms.reduce((sum, vm) => sum + costOf(vm, host, host).pointSeconds, 0);
      const left = Math.max(0, Math.round(2 * (1 - moving / (idlePoints(host) * seconds))) / 2);
      const age = host.facts.power?.ageYears ?? 0;
      return [host, (wattsPerCore(host) || 1) * (1 + WASTE_PER_YEAR * age) * left];
    }),
  );
  return hosts.toSorted(
    (a, b) => worth.get(b)! - worth.get(a)! || a.expectedCores - b.expectedCores || a.index - b.index,
  );
}

/** What an idle host draws, in percent of the most it may draw. */
function idlePoints({ facts: { power } }: HostState): number {
  return 100 * (power?.wattsAt ? power.wattsAt[0]! / power.wattsAt.at(-1)! : ASSUMED_IDLE_SHARE);
}

const toMove = (
  vm: VmFacts,
  source: HostState,
  destination: HostState,
  reason: string,
  kind: MoveKind,
  benefit: number,
): Draft => ({
  vmId: vm.id,
  sourceHostId: source.id,
  destinationHostId: destination.id,
  reason,
  kind,
  gain: 0,
  benefit,
  cost: costOf(vm, source, destination),
});
