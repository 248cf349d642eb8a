/** For how long all harts at once waited for pages: what is told of it by clock and a look at the harts (QEMU's blocktime). */
export class OverlappedBlockTime {
  private totalMs = 0;
  private sinceMs: number | null = null;

  /** What is seen at a moment: whether every hart waits. */
  note(nowMs: number, allWait: boolean): void {
    if (this.sinceMs !== null && !allWait) {
      this.totalMs += nowMs - this.sinceMs;
      this.sinceMs = null;
    } else if (this.sinceMs === null && allWait) {
      this.sinceMs = nowMs;
    }
  }

  at(nowMs: number): number {
    return this.totalMs + (this.sinceMs === null ? 0 : nowMs - this.sinceMs);
  }
}
