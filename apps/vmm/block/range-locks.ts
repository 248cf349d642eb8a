/** Keeps what concerns the same bytes in order: an action runs when no other one is under way in its range. */
export class RangeLocks {
  private readonly held: { readonly offset: number; readonly end: number; readonly released: Promise<unknown> }[] = [];

  /** Runs the action after all that were given before it and meet its range. Settles as the action does. */
  async run<T>(offset: number, size: number, action: () => Promise<T>): Promise<T> {
    const end = offset + size;
    const before = this.held.filter((other) => other.offset < end && offset < other.end);
    const done = Promise.all(before.map(({ released }) => released)).then(action);
    const released = done.catch(() => undefined);
    const lock = { offset, end, released };
    this.held.push(lock);
    try {
      return await done;
    } finally {
      this.held.splice(this.held.indexOf(lock), 1);
    }
  }
}
