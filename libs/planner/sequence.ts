/** In which order the moves of a plan start. */
import type { Move } from './answers.js';
import type { ClusterState } from './cluster-state.js';
import type { HostState } from './host-state.js';
import type { Room } from './room.js';

/**
 * So often a plan may give a host as many migrations as it may have at once. What would have to wait for longer is left
 * for a later plan, which knows the loads of then.
 */
const ROUNDS_PER_PLAN = 4;

/** A move before its place in the plan is known. */
export interface Draft extends Omit<Move, 'waitsFor'> {
  /** Moves that must have arrived because this one needs the room that they leave. */
  readonly after?: readonly Draft[];
}

/** Room for moves that may wait for others of the same plan. */
export const withRounds = (room: Room): Room => ({ ...room, rounds: ROUNDS_PER_PLAN });

interface Lane {
  tail: number;
  rounds: number;
}

/**
 * Each host has as many lanes as it may have migrations at once (those under way before the plan keep theirs); a move
 * takes one lane on either end, and waits for the last one there. So however long moves take, no host has more at once.
 */
export function inSequence(drafts: readonly Draft[], state: ClusterState, maxMigrationsPerHost: number): Move[] {
  const positions = new Map(drafts.map((draft, index) => [draft, index]));
  const lanesOf = new Map<HostState, Lane[]>();
  return drafts.map(({ after = [], ...move }, position) => {
    const waitsFor = new Set(after.map((draft) => positions.get(draft)!));
    for (const id of [move.sourceHostId, move.destinationHostId]) {
      const host = state.host(id);
      const lanes = lanesOf.get(host) ?? [];
      lanesOf.set(host, lanes);
      const most = Math.max(1, maxMigrationsPerHost - host.migrationsUnderWay);
      const lane = lanes.find(({ tail }) => waitsFor.has(tail)) ?? (lanes.length < most ? null : shortest(lanes));
      if (lane) {
        waitsFor.add(lane.tail);
        lane.tail = position;
        lane.rounds++;
      } else lanes.push({ tail: position, rounds: 1 });
    }
    return { ...move, waitsFor: [...waitsFor].toSorted((a, b) => a - b) };
  });
}

const shortest = (lanes: readonly Lane[]): Lane =>
  lanes.reduce((best, lane) => (lane.rounds < best.rounds ? lane : best));
