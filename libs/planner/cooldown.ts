/** How long a VM rests after a policy has moved it, and which way back is closed to it. Stored with the VM. */
import type { PastMove } from './facts.js';

const REMEMBERED_MS = 6 * 3_600_000;
const LONGEST_COOLDOWN_MS = 4 * 3_600_000;

/** The moves that still count, with one more. */
export const remember = (moves: readonly PastMove[], move: PastMove): PastMove[] => [
  ...stillRemembered(moves, move.atMs),
  move,
];

/** Twice as long with each move by a policy that is still remembered; at most four hours. */
export function cooldownMs(recentMoves: readonly PastMove[], baseMs: number, nowMs: number): number {
  const repeats = Math.max(0, stillRemembered(recentMoves, nowMs).length - 1);
  return Math.max(baseMs, Math.min(LONGEST_COOLDOWN_MS, baseMs * 2 ** repeats));
}

/** Whether a policy has taken the VM away from the host of late: sending it back would close a circle. */
export const wasTakenFrom = (recentMoves: readonly PastMove[], hostId: string, nowMs: number): boolean =>
  stillRemembered(recentMoves, nowMs).some(({ sourceHostId }) => sourceHostId === hostId);

const stillRemembered = (moves: readonly PastMove[], nowMs: number): PastMove[] =>
  moves.filter(({ atMs }) => nowMs - atMs < REMEMBERED_MS);
