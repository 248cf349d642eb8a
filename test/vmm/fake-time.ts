/** Host timers that a test moves by hand: what devices with deadlines are tested with. */
export class FakeTime {
  ms = 0;
  private readonly timers = new Set<{ readonly at: number; readonly action: () => void }>();

  readonly callAfter = (ms: number, action: () => void): (() => void) => {
    const timer = { at: this.ms + ms, action };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  };

  get waiting(): number {
    return this.timers.size;
  }

  /** Lets so much time pass, and calls what becomes due in it. */
  pass(ms: number): void {
    const end = this.ms + ms;
    for (;;) {
      const due = [...this.timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.timers.delete(due);
      this.ms = Math.max(this.ms, due.at);
      due.action();
    }
    this.ms = end;
  }
}
