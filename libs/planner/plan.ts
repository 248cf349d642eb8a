/** One look at the cluster: what should move now. */
import type { SchedulingPolicy } from '#contracts';
import type { HostAction, Plan } from './answers.js';
import { balance } from './balance.js';
import { ClusterState } from './cluster-state.js';
import { type Part, evacuate } from './evacuation.js';
import type { ClusterFacts, Limits } from './facts.js';
import { evenOutCounts } from './vm-count.js';
import { imbalanceOf } from './imbalance.js';
import { RoomMaker } from './make-room.js';
import { mend } from './mend.js';
import { savePower } from './power-saving.js';
import { roomFor } from './room.js';
import { scoreOf } from './score.js';
import { inSequence, withRounds } from './sequence.js';
import { count, points } from './words.js';

/**
 * What should move now, and why: first all VMs off the hosts that are to go into maintenance, then those that break
 * affinity rules, then what the policy asks. A move waits for others of the plan where it needs the room that they
 * leave, and where its hosts would have more migrations at once than they may. What would have to wait for long is
 * refused for now, and a later plan finds it again.
 *
 * @param nowMs on the same clock as the times in `facts`.
 * @throws RangeError if the facts contradict themselves.
 */
export function plan(facts: ClusterFacts, policy: SchedulingPolicy, limits: Limits, nowMs: number): Plan {
  const state = new ClusterState(facts, limits.haReservation);
  const imbalanceBefore = imbalanceOf(state);

  const room = withRounds(roomFor(policy, limits));
  const score = scoreOf(policy, state);
  const evacuation = evacuate(state, room, score, new RoomMaker(state, room, score, nowMs));
  state.recentre();
  const policyRoom = { ...room, policyAtMs: nowMs };
  const mending = mend(state, policy, policyRoom, score, new RoomMaker(state, policyRoom, score, nowMs), nowMs);
  const { hostActions = [], ...load } = applyPolicy(state, facts, policy, limits, nowMs);

  const imbalanceAfter = imbalanceOf(state);
  return {
    imbalanceBefore,
    imbalanceAfter,
    moves: inSequence([...evacuation.moves, ...mending.moves, ...load.moves], state, limits.maxMigrationsPerHost),
    hostActions,
    refusals: [...evacuation.refusals, ...mending.refusals, ...load.refusals],
    summary:
      summarize(policy, imbalanceBefore, imbalanceAfter, { evacuation, mending, load }, hostActions) +
      explainUnmetered(state),
  };
}

/** Spread of load over the hosts that are up, 0-100, with moves under way counted as arrived. */
export const imbalance = (facts: ClusterFacts): number => imbalanceOf(new ClusterState(facts));

type PolicyPart = Part & { readonly hostActions?: Plan['hostActions'] };

function applyPolicy(
  state: ClusterState,
  facts: ClusterFacts,
  policy: SchedulingPolicy,
  limits: Limits,
  nowMs: number,
): PolicyPart {
  switch (policy.name) {
    case 'none':
    case 'cluster_maintenance':
      return { moves: [], refusals: [], deferred: 0 };
    case 'evenly_distributed':
      return balance(
        state,
        policy,
        { ...withRounds(roomFor(policy, limits, policy.parameters.HighUtilization)), policyAtMs: nowMs },
        nowMs,
      );
    case 'vm_evenly_distributed':
      return evenOutCounts(state, policy, { ...withRounds(roomFor(policy, limits)), policyAtMs: nowMs }, nowMs);
    case 'power_saving':
      return savePower(state, facts, policy, limits, nowMs);
  }
}

/** Said where the network counts: on hosts of whose links it is known how fast they are. */
function explainUnmetered({ hostsUp }: ClusterState): string {
  const unmetered = hostsUp.reduce((sum, host) => sum + (host.networkMiBps === null ? 0 : host.unmetered), 0);
  return unmetered > 0 ? `; the use of the network by ${count(unmetered, 'VM')} is unknown and counts as none` : '';
}

/** What the plan is to do: it is read while that is done, and before. */
function summarize(
  policy: SchedulingPolicy,
  before: number,
  after: number,
  { evacuation, mending, load }: Record<'evacuation' | 'mending' | 'load', Part>,
  hostActions: Plan['hostActions'],
): string {
  const refusals = [...evacuation.refusals, ...mending.refusals, ...load.refusals];
  const deferred = evacuation.deferred + mending.deferred + load.deferred;
  const staying = new Set(refusals.flatMap(({ vmId }) => vmId ?? [])).size - deferred;
  const moved = ({ moves }: Part, isAside: boolean) =>
    moves.filter(({ kind }) => (kind === 'make_room') === isAside).map(({ vmId }) => vmId);
  const parts = [
    vms(new Set(moved(evacuation, false)).size, 'to move off hosts that go into maintenance'),
    vms(new Set(moved(mending, false)).size, 'to move to where affinity groups want them'),
    vms(new Set([...moved(evacuation, true), ...moved(mending, true)]).size, 'to move to make room for these'),
    vms(new Set(moved(load, false)).size, PURPOSE[policy.name]),
    ...HOST_ACTIONS.map(([action, what]) => hosts(hostActions.filter((one) => one.action === action).length, what)),
    vms(deferred, 'left for a later plan'),
    vms(staying, 'kept in place for the reasons given'),
  ].filter((part) => part !== null);
  if (parts.length === 0)
    parts.push(RESTS.has(policy.name) ? `policy ${policy.name} moves nothing` : 'nothing has to move');
  return `${parts.join('; ')}; imbalance ${before === after ? points(before) : `${points(before)} -> ${points(after)}`}`;
}

const RESTS: ReadonlySet<SchedulingPolicy['name']> = new Set(['none', 'cluster_maintenance']);
const PURPOSE: Record<SchedulingPolicy['name'], string> = {
  none: 'to move',
  evenly_distributed: 'to move to even out load',
  vm_evenly_distributed: 'to move to even out the number of VMs',
  power_saving: 'to move to save power',
  cluster_maintenance: 'to move',
};

const HOST_ACTIONS: readonly (readonly [HostAction['action'], string])[] = [
  ['deactivate', 'to put into maintenance to save power'],
  ['power_off', 'to switch off'],
  ['power_on', 'to switch on'],
  ['activate', 'to take out of maintenance'],
];

const hosts = (n: number, what: string): string | null => (n > 0 ? `${count(n, 'host')} ${what}` : null);
const vms = (n: number, what: string): string | null => (n > 0 ? `${count(n, 'VM')} ${what}` : null);
