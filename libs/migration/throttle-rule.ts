/** Which harts of a guest that writes too fast are slowed down, and how much: pure. */

/** QEMU's names (qapi/migration.json, MigrationParameters); all in percent but `tailslow`. */
export interface AutoConvergeParameters {
  /** First throttle, and what is added to it each time that it does not suffice. */
  readonly initial: number;
  readonly increment: number;
  readonly max: number;
  /** Adds less towards the end: no more than brings the dirty rate down to what was allowed. */
  readonly tailslow: boolean;
  /** Of what was sent: when the guest writes more than that again, it writes too much. */
  readonly triggerThreshold: number;
}

/** What was sent and what was written in the same time. */
export interface WrittenAndSent {
  readonly writtenBytes: number;
  readonly sentBytes: number;
}

export interface AutoConverge {
  readonly percentage: number;
  /** How often in a row, since the last change, the guest wrote too much. */
  readonly tooMuch: number;
}

export const NOT_CONVERGING_YET: AutoConverge = { percentage: 0, tooMuch: 0 };

/** The throttle from now on, by QEMU's rule (migration/ram.c, migration_trigger_throttle): the second time it acts. */
export function autoConverge(
  { percentage, tooMuch }: AutoConverge,
  { writtenBytes, sentBytes }: WrittenAndSent,
  { initial, increment, max, tailslow, triggerThreshold }: AutoConvergeParameters,
): AutoConverge {
  const allowedBytes = (sentBytes * triggerThreshold) / 100;
  if (writtenBytes <= allowedBytes) return { percentage, tooMuch };
  if (tooMuch === 0) return { percentage, tooMuch: 1 };
  if (percentage === 0) return { percentage: Math.min(initial, max), tooMuch: 0 };
  const running = 100 - percentage;
  const suffices = running - running * (allowedBytes / writtenBytes);
  const added = tailslow ? Math.min(increment, Math.floor(suffices)) : increment;
  return { percentage: Math.min(percentage + added, max), tooMuch: 0 };
}

/** What a hart wrote while it was throttled at `percentage`. */
export interface HartWrites {
  readonly pages: number;
  readonly percentage: number;
}

/** Part of all pages that those harts write which are slowed down for it. */
const WRITERS_SHARE = 0.9;

/**
 * The fewest harts that together write nine tenths of what all would write if none were throttled; all of them if
 * nothing was written.
 */
export function writers(harts: readonly HartWrites[]): readonly number[] {
  const rates = harts.map(({ pages, percentage }, hart) => ({ hart, pages: pages / (1 - percentage / 100 || 0.01) }));
  let missing = rates.reduce((sum, { pages }) => sum + pages, 0) * WRITERS_SHARE;
  if (missing === 0) return rates.map(({ hart }) => hart);
  const chosen: number[] = [];
  for (const { hart, pages } of rates.toSorted((a, b) => b.pages - a.pages)) {
    if (missing <= 0) break;
    chosen.push(hart);
    missing -= pages;
  }
  return chosen.toSorted((a, b) => a - b);
}

/** Of `harts` harts the `count` that are parked in a turn; each turn goes on where the one before ended. At least one runs. */
export function parkedIn(turn: number, count: number, harts: number): readonly number[] {
  const parked = Math.min(count, harts - 1);
  return Array.from({ length: parked }, (_, i) => (turn * parked + i) % harts);
}
