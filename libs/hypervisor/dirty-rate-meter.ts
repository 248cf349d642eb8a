/** The rate at which a guest writes, from a counter of pages that several readers ask for: pure. */

const PAGE_BYTES = 4096;
const MIB = 2 ** 20;
/**
 * Two readings that are closer together say nothing: a guest that writes without pause has written much of its memory in
 * a millisecond, and the same pages again in the next.
 */
const SHORTEST_MS = 200;

/** Pages written since the process began, each once for each reading; `atMs`: of a clock of the process. */
export interface DirtiedPages {
  readonly pages: number;
  readonly atMs: number;
}

export class DirtyRateMeter {
  private last: DirtiedPages | null = null;
  private lastMiBps: number | null = null;

  /** MiB/s since a reading at least SHORTEST_MS ago, or as it was then; null: there has been one reading only. */
  note(reading: DirtiedPages): number | null {
    const elapsedMs = this.last ? reading.atMs - this.last.atMs : Infinity;
    if (elapsedMs < SHORTEST_MS) return this.lastMiBps;
    if (this.last) this.lastMiBps = (((reading.pages - this.last.pages) * PAGE_BYTES) / MIB / elapsedMs) * 1000;
    this.last = reading;
    return this.lastMiBps;
  }
}
