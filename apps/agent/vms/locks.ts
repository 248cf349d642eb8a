/** One thing at a time for each key. */
export class Locks {
  private readonly tails = new Map<string, Promise<unknown>>();

  /** Runs `action` when all that came before it for the same key has ended, in whatever way. */
  run<T>(key: string, action: () => Promise<T>): Promise<T> {
    const before = this.tails.get(key) ?? Promise.resolve();
    const result = before.then(action, action);
    const tail = result.catch(() => undefined);
    this.tails.set(key, tail);
    void tail.then(() => this.tails.get(key) === tail && this.tails.delete(key));
    return result;
  }
}
