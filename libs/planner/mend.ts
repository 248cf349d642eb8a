/** Brings VMs back to where affinity groups want them, step by step. */
import type { SchedulingPolicy } from '#contracts';
import type { Breach } from './affinity.js';
import type { Refusal } from './answers.js';
import type { ClusterState } from './cluster-state.js';
import type { HostState } from './host-state.js';
import { costOf } from './cost.js';
import { bestDestination } from './destination.js';
import { type Part, asOne } from './evacuation.js';
import type { VmFacts } from './facts.js';
import { costOfJoining, reliefOfLeaving } from './imbalance.js';
import type { RoomMaker } from './make-room.js';
import { whyImmovable, whyResting } from './movable.js';
import { type Room, explainBusy, isBusy } from './room.js';
import type { Score } from './score.js';
import type { Draft } from './sequence.js';

/** Seconds for which a soft rule that holds again is taken to go on to hold, where the policy has no horizon. */
const ASSUMED_HORIZON_SECONDS = 1800;

interface Broken {
  /** The VM, and those on its host that have to stay with it. */
  readonly party: readonly [VmFacts, ...VmFacts[]];
  readonly breaches: readonly Breach[];
}

/**
 * Hard rules first, then soft ones by priority. A VM moves only to where it breaks no hard rule and less of the soft
 * ones than where it is; for a soft rule alone only if that does not cost more balance than the rule is worth, and the
 * move less than it brings. So each move leaves less to mend, and what no move can mend is said.
 */
export function mend(
  state: ClusterState,
  policy: SchedulingPolicy,
  room: Room,
  score: Score,
  roomMaker: RoomMaker,
  nowMs: number,
): Part {
  const moves: Draft[] = [];
  const refusals: Refusal[] = [];
  let deferred = 0;
  for (const {
    party: [vm],
  } of brokenRules(state)) {
    const source = state.locationOf(vm);
    const breaches = state.affinity.breaches(vm.id, source.index); // those before it may have mended it
    if (breaches.length === 0 || state.isMoving(vm) || !source.isUp) continue;
    const refuse = (reason: string) => refusals.push({ vmId: vm.id, hostId: null, reason });
    const why = breaches.map(({ reason }) => reason).join('; ');
    const party = partyOf(state, vm);
    const companions = party.slice(1);
    const staying = party
      .map((each) => whyImmovable(state, each) ?? whyResting(each, nowMs))
      .find((each) => each !== null);
    if (staying) {
      refuse(`${why}; but ${staying}`);
      continue;
    }
    const isHard = breaches.some((breach) => breach.isHard);
    const better = state.hostsUp.filter(isBetter(state, policy, party, source, isHard));
    const best = bestDestination(state, better, asOne(vm, companions), room, score, companions.length);
    if (best.host === null) {
      const busy = best.refused.find(({ obstacle }) => obstacle === 'busy')?.host;
      if (busy) {
        deferred++;
        refuse(`${why}; ${vm.name} waits for a later plan: ${explainBusy(busy)}`);
        continue;
      }
      const cleared = isHard && companions.length === 0 ? roomMaker.clear(vm, better) : null;
      if (cleared) {
        moves.push(...cleared.before, mendingMove(vm, source, cleared.host, why, cleared.before));
        state.move(vm, cleared.host);
      } else if (isHard)
        refuse(`${why}; no host that would mend this has room: make room, add a host, or change the group`);
      continue;
    }
    for (const each of party) {
      const busy = [source, best.host].find((host) => isBusy(host, room));
      if (busy) {
        deferred++;
        const reason = `${why}; ${each.name} waits for a later plan: ${explainBusy(busy)}`;
        refusals.push({ vmId: each.id, hostId: null, reason });
        continue;
      }
      moves.push(mendingMove(each, source, best.host, why));
      state.move(each, best.host);
    }
  }
  return { moves, refusals, deferred };
}

function partyOf(state: ClusterState, vm: VmFacts): [VmFacts, ...VmFacts[]] {
  const others = state.affinity.companionsOf(vm, state.host(vm.hostId).vms);
  return [vm, ...others.filter((other) => !state.isMoving(other))];
}

/** VMs that break rules: hard rules first, those of high priority first; of these the ones with least to move. */
function brokenRules(state: ClusterState): Broken[] {
  if (state.affinity.isEmpty) return [];
  const broken = state.hostsUp
    .flatMap((host) => host.vms)
    .filter((vm) => state.affinity.concerns(vm.id))
    .map((vm) => ({
      party: partyOf(state, vm),
      breaches: state.affinity.breaches(vm.id, state.locationOf(vm).index),
    }))
    .filter(({ breaches }) => breaches.length > 0);
  const weightOf = ({ breaches }: Broken) =>
    Math.max(...breaches.map(({ isHard, weight }) => weight + (isHard ? 1e6 : 0)));
  return broken.toSorted((a, b) => weightOf(b) - weightOf(a) || a.party.length - b.party.length);
}

/** Whether the party had better be on a host than where it is. */
function isBetter(
  state: ClusterState,
  policy: SchedulingPolicy,
  party: readonly [VmFacts, ...VmFacts[]],
  source: HostState,
  isHard: boolean,
): (host: HostState) => boolean {
  const { affinity } = state;
  const [vm] = party;
  const together = party.length - 1;
  const isForbidden = (host: HostState) =>
    host === source || party.some((each) => affinity.forbids(each.id, host.index, together));
  if (isHard) {
    const now = affinity.hardBreaches(vm.id, source.index, together);
    return (host) => !isForbidden(host) && affinity.hardBreaches(vm.id, host.index, together) < now;
  }
  const now = affinity.penalty(vm.id, source.index);
  const reliefOfSource = reliefOfLeaving(source, vm);
  const seconds =
    'parameters' in policy && 'HorizonMinutes' in policy.parameters
      ? policy.parameters.HorizonMinutes * 60
      : ASSUMED_HORIZON_SECONDS;
  return (host) => {
    const mended = now - affinity.penalty(vm.id, host.index);
    if (mended <= 0 || isForbidden(host)) return false;
    const relief = reliefOfSource - costOfJoining(host, vm);
    if (policy.name === 'evenly_distributed' && mended + relief <= 0) return false;
    return Math.sqrt(mended) * seconds > costOf(vm, source, host).pointSeconds;
  };
}

const mendingMove = (
  vm: VmFacts,
  source: HostState,
  destination: HostState,
  why: string,
  after: readonly Draft[] = [],
): Draft => ({
  vmId: vm.id,
  sourceHostId: source.id,
  destinationHostId: destination.id,
  reason: `${why}; on ${destination.name} the rules hold`,
  kind: 'affinity',
  gain: 0,
  benefit: null,
  cost: costOf(vm, source, destination),
  after,
});
