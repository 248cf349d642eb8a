/** Could hosts be emptied, all at once? What maintenance asks before it begins, and while it waits. */
import type { SchedulingPolicy, VmStatus } from '#contracts';
import type { Choice, Move } from './answers.js';
import { ClusterState } from './cluster-state.js';
import { chooseDestination } from './destination.js';
import { evacuate } from './evacuation.js';
import type { ClusterFacts, Limits } from './facts.js';
import { RoomMaker } from './make-room.js';
import { roomFor } from './room.js';
import { scoreOf } from './score.js';

/** A VM that cannot leave as things are. */
export interface BlockedVm {
  readonly vmId: string;
  readonly hostId: string;
  readonly reason: string;
}

export interface Emptying {
  readonly moves: readonly Pick<Move, 'vmId' | 'sourceHostId' | 'destinationHostId' | 'reason'>[];
  readonly blocked: readonly BlockedVm[];
}

/** What passes by itself: the VM can leave in a moment, or is gone. */
const PASSING: ReadonlySet<VmStatus> = new Set(['starting', 'stopping', 'migrating', 'down']);

/**
 * Where every VM of these hosts would go if all of them were emptied now, however many migrations a host takes part in
 * at once, and which VMs cannot leave. Rules, memory and the reservation hold after each move; others may step aside.
 * @throws RangeError for a host that is not there.
 */
export function emptyHosts(
  facts: ClusterFacts,
  hostIds: readonly string[],
  policy: SchedulingPolicy,
  limits: Limits,
  nowMs: number,
): Emptying {
  const emptied = new Set(hostIds);
  for (const id of emptied)
    if (!facts.hosts.some((host) => host.id === id)) throw new RangeError(`there is no host ${id} in this cluster`);
  const hosts = facts.hosts.map((host) =>
    emptied.has(host.id) ? { ...host, status: 'preparing_for_maintenance' as const, isEvacuationPaused: false } : host,
  );
  const state = new ClusterState({ ...facts, hosts }, limits.haReservation);
  const room = roomFor(policy, { ...limits, maxMigrationsPerHost: Infinity });
  const score = scoreOf(policy, state);
  const { moves, refusals } = evacuate(state, room, score, new RoomMaker(state, room, score, nowMs));
  const statusOf = new Map(facts.vms.map(({ id, status }) => [id, status]));
  const blocked = refusals.flatMap(({ vmId, hostId, reason }) => {
    if (vmId === null || hostId !== null || PASSING.has(statusOf.get(vmId)!)) return [];
    const details = refusals.filter((each) => each.vmId === vmId && each.hostId !== null).map((each) => each.reason);
    return [{ vmId, hostId: state.vm(vmId).hostId, reason: [reason, ...details].join('; ') }];
  });
  return {
    moves: moves.filter(({ kind, sourceHostId }) => kind === 'evacuation' && emptied.has(sourceHostId)),
    blocked: blocked.filter(({ hostId }) => emptied.has(hostId)),
  };
}

/**
 * The best destination for a VM that is to leave whatever binds it: pinned or not, without minding affinity groups and
 * the reservation. Memory and drivers bind it still.
 * @throws RangeError if there is no such VM.
 */
export function chooseAnyDestination(facts: ClusterFacts, vmId: string, limits: Limits): Choice {
  const vms = facts.vms.map((vm) => (vm.id === vmId ? { ...vm, immovableReason: null } : vm));
  return chooseDestination({ ...facts, vms, affinityGroups: [] }, vmId, { ...limits, haReservation: 0 });
}
