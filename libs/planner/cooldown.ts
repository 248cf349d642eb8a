/** How long a VM rests after a policy has moved it, and which way back is closed to it. Stored with the VM. */
import type { PastMove } from './facts.js';

const REMEMBERED_MS = 6 * 3_600_000;
const LONGEST_COOLDOWN_MS = 4 * 3_600_000;

/** A migration that has ended, one way or the other. */
export interface EndedMove extends Omit<PastMove, 'atMs'> {
  /** People and maintenance have their reasons: what they move rests, too, but no longer than usual. */
  readonly isByPolicy: boolean;
  readonly hasArrived: boolean;
}

/**
 * What is kept of a VM's migration. Moves by policies are remembered: the more of them, the longer the VM rests. One that
 * has not arrived is not tried again at once.
 *
 * @param baseMs how long a VM rests after its first move.
 */
export function restAfter(
  recentMoves: readonly PastMove[],
  { sourceHostId, destinationHostId, isByPolicy, hasArrived }: EndedMove,
  baseMs: number,
  nowMs: number,
): { readonly recentMoves: PastMove[]; readonly cooldownUntilMs: number } {
  if (!isByPolicy || !hasArrived) return { recentMoves: [...recentMoves], cooldownUntilMs: nowMs + baseMs };
  const remembered = remember(recentMoves, { sourceHostId, destinationHostId, atMs: nowMs });
  return { recentMoves: remembered, cooldownUntilMs: nowMs + cooldownMs(remembered, baseMs, nowMs) };
}

/** The moves that still count, with one more. */
const remember = (moves: readonly PastMove[], move: PastMove): PastMove[] => [
  ...stillRemembered(moves, move.atMs),
  move,
];

/** Twice as long with each move by a policy that is still remembered; at most four hours. */
function cooldownMs(recentMoves: readonly PastMove[], baseMs: number, nowMs: number): number {
  const repeats = Math.max(0, stillRemembered(recentMoves, nowMs).length - 1);
  return Math.max(baseMs, Math.min(LONGEST_COOLDOWN_MS, baseMs * 2 ** repeats));
}

/** Whether a policy has taken the VM away from the host of late: sending it back would close a circle. */
export const wasTakenFrom = (recentMoves: readonly PastMove[], hostId: string, nowMs: number): boolean =>
  stillRemembered(recentMoves, nowMs).some(({ sourceHostId }) => sourceHostId === hostId);

const stillRemembered = (moves: readonly PastMove[], nowMs: number): PastMove[] =>
  moves.filter(({ atMs }) => nowMs - atMs < REMEMBERED_MS);
