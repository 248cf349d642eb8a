/** Why is this VM here, and why does it not move? */
import type { SchedulingPolicy } from '#contracts';
import { ClusterState } from './cluster-state.js';
import type { HostState } from './host-state.js';
import { costOf } from './cost.js';
import type { ClusterFacts, Limits, VmFacts } from './facts.js';
import { whyImmovable, whyResting } from './movable.js';
import { type Obstacle, type Room, explainObstacle, obstacleTo, roomFor } from './room.js';
import { pressureOf } from './pressure.js';
import { scoreOf } from './score.js';
import { plan } from './plan.js';

/** What one host is to the VM. */
export interface HostScore {
  readonly hostId: string;
  readonly isCurrent: boolean;
  /** The lower the better, by the policy's own measure, to compare hosts by; null = it is not up. */
  readonly score: number | null;
  readonly cpuPercent: number;
  readonly memoryPercent: number;
  /** Of its link; null = nobody knows how fast that is. */
  readonly networkPercent: number | null;
  readonly pressurePercent: number;
  /** Null: the VM may run there. */
  readonly obstacle: Obstacle | null;
  /** The obstacle as a sentence, or what moving there would take. */
  readonly reason: string;
  /** Rules of affinity groups that it breaks there. */
  readonly broken: readonly string[];
}

export interface Placement {
  /** Why it moves now, or why it does not. */
  readonly answer: string;
  /** Where the policy would send it now; null = it stays. */
  readonly destinationHostId: string | null;
  /** Every host, the best one first. */
  readonly hosts: readonly HostScore[];
}

/**
 * The scores of every host for the VM under the policy, and what keeps it where it is.
 * @throws RangeError if there is no such VM.
 */
export function explainPlacement(
  facts: ClusterFacts,
  vmId: string,
  policy: SchedulingPolicy,
  limits: Limits,
  nowMs: number,
): Placement {
  const state = new ClusterState(facts, limits.haReservation);
  const vm = state.vm(vmId);
  const source = state.locationOf(vm);
  const high =
    'parameters' in policy && 'HighUtilization' in policy.parameters ? policy.parameters.HighUtilization : 100;
  const room = { ...roomFor(policy, limits, high), policyAtMs: nowMs };
  const score = scoreOf(policy, state);
  const verdicts = state.hosts.map((host) =>
    host === source ? { obstacle: null, reason: 'it runs here' } : judge(state, host, vm, room, source),
  );
  // Its own load is taken off its host, so that all hosts are compared as if it were to come.
  const networkPercentHere = source.networkPercent;
  source.load(vm, -1);
  const hosts = state.hosts.map((host): HostScore => {
    const isCurrent = host === source;
    return {
      hostId: host.id,
      isCurrent,
      score: host.isUp ? score(host, vm) : null,
      cpuPercent: host.cpuPercent + (isCurrent ? vm.cpuUsedCores * host.percentPerCore : 0),
      memoryPercent: host.memoryPercent + (isCurrent ? vm.memoryMiB * host.percentPerMiB : 0),
      networkPercent: isCurrent ? networkPercentHere : host.networkPercent,
      pressurePercent: pressureOf(host),
      ...verdicts[host.index]!,
      broken: state.affinity.breaches(vm.id, host.index).map((breach) => breach.reason),
    };
  });
  const made = plan(facts, policy, limits, nowMs);
  const move = made.moves.find((each) => each.vmId === vmId);
  const refused = made.refusals.find((refusal) => refusal.vmId === vmId);
  const why =
    move?.reason ??
    whyImmovable(state, vm) ??
    whyResting(vm, nowMs) ??
    refused?.reason ??
    `nothing asks for it to move: no rule is broken, and policy ${policy.name} is content with ${source.name}`;
  const isUnmetered = vm.networkUsedMiBps === null && source.networkMiBps !== null;
  return {
    answer: isUnmetered ? `${why}; its use of the network is unknown and counts as none` : why,
    destinationHostId: move?.destinationHostId ?? null,
    hosts: hosts.toSorted(
      (a, b) =>
        Number(a.obstacle !== null) - Number(b.obstacle !== null) || (a.score ?? Infinity) - (b.score ?? Infinity),
    ),
  };
}

function judge(
  state: ClusterState,
  host: HostState,
  vm: VmFacts,
  room: Room,
  source: HostState,
): Pick<HostScore, 'obstacle' | 'reason'> {
  const obstacle = obstacleTo(state, host, vm, room);
  if (obstacle) return { obstacle, reason: explainObstacle(obstacle, state, host, vm, room) };
  const { durationMs, pauseMs } = costOf(vm, source, host);
  return {
    obstacle,
    reason: `it could move here in about ${(durationMs / 1000).toFixed(1)} s, with a pause of ${Math.round(pauseMs)} ms`,
  };
}
