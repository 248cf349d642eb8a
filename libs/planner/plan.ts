/** One look at the cluster: what should move now. */
import type { SchedulingPolicy } from '#contracts';
import { balance } from './balance.js';
import { ClusterState } from './cluster-state.js';
import { evacuate } from './evacuation.js';
import type { ClusterFacts, Limits, Plan } from './facts.js';
import { imbalanceOf } from './imbalance.js';
import { roomFor } from './room.js';
import { count, points } from './words.js';

/**
 * What should move now, and why: first all VMs off the hosts that are to go into maintenance, then what the policy
 * asks. All moves of a plan may start at once: none waits for the memory that another frees. What has to wait for the
 * concurrency limit is refused for now, and a later plan finds it again.
 *
 * @param nowMs on the same clock as the times in `facts`.
 * @throws RangeError if the facts contradict themselves.
 */
export function plan(facts: ClusterFacts, policy: SchedulingPolicy, limits: Limits, nowMs: number): Plan {
  const state = new ClusterState(facts);
  const imbalanceBefore = imbalanceOf(state);

  const evacuation = evacuate(state, roomFor(policy, limits.maxMigrationsPerHost));
  state.recentre();
  const balancing = applyPolicy(state, policy, limits, nowMs);

  const imbalanceAfter = imbalanceOf(state);
  return {
    imbalanceBefore,
    imbalanceAfter,
    moves: [...evacuation.moves, ...balancing.moves],
    refusals: [...evacuation.refusals, ...balancing.refusals],
    summary: summarize(policy, imbalanceBefore, imbalanceAfter, evacuation, balancing),
  };
}

/** Spread of load over the hosts that are up, 0-100, with moves under way counted as arrived. */
export const imbalance = (facts: ClusterFacts): number => imbalanceOf(new ClusterState(facts));

type Part = ReturnType<typeof evacuate>;

function applyPolicy(state: ClusterState, policy: SchedulingPolicy, limits: Limits, nowMs: number): Part {
  switch (policy.name) {
    case 'none':
      return { moves: [], refusals: [], deferred: 0 };
    case 'evenly_distributed': {
      const { parameters } = policy;
      const room = roomFor(policy, limits.maxMigrationsPerHost, parameters.HighUtilization);
      return balance(state, parameters, room, nowMs);
    }
  }
}

function summarize(policy: SchedulingPolicy, before: number, after: number, evacuation: Part, balancing: Part): string {
  const refusals = [...evacuation.refusals, ...balancing.refusals];
  const deferred = evacuation.deferred + balancing.deferred;
  const staying = new Set(refusals.map((refusal) => refusal.vmId)).size - deferred;
  const parts = [
    vms(evacuation.moves.length, 'moved off hosts that go into maintenance'),
    vms(balancing.moves.length, 'moved to even out load'),
    vms(deferred, 'left for a later plan'),
    vms(staying, 'kept in place for the reasons given'),
  ].filter((part) => part !== null);
  if (parts.length === 0) parts.push(policy.name === 'none' ? 'policy none moves nothing' : 'nothing has to move');
  return `${parts.join('; ')}; imbalance ${before === after ? points(before) : `${points(before)} -> ${points(after)}`}`;
}

const vms = (n: number, what: string): string | null => (n > 0 ? `${count(n, 'VM')} ${what}` : null);
