/** Keeps the query cache equal to the controller's state: lists by REST, then every change by the event stream. */
import type { QueryClient } from '@tanstack/react-query';
import { allOf, type DroverClient } from '#client';
import type { Page, StreamMessage } from '#contracts';
import { type Change, changeOf, type Collection, COLLECTIONS, type Item, patch } from './changes.js';

/** Changes are drawn together: a thousand hosts' heartbeats must not draw the page a thousand times a second. */
const FLUSH_MS = 100;

export class LiveCache {
  private waiting: Change[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly loads = new Set<Change[]>();

  constructor(
    private readonly client: DroverClient,
    private readonly queries: QueryClient,
  ) {}

  /** Reads the stream until `signal` is aborted. Throws ApiError if the controller refuses it. */
  async follow(signal: AbortSignal, onConnection: (connected: boolean) => void): Promise<void> {
    let wasConnected = false;
    const told = (connected: boolean) => {
      // What was deleted while nobody listened is told by no message: load the lists again.
      if (connected && wasConnected) void this.queries.invalidateQueries();
      wasConnected ||= connected;
      onConnection(connected);
    };
    for await (const message of this.client.events.stream({ signal, onConnection: told })) this.take(message);
  }

  /** All items of a list. What the stream tells while it loads is newer than the answer, and wins. */
  async load<T extends Item>(
    collection: Collection,
    list: (cursor?: string) => Promise<Page<T>>,
  ): Promise<readonly T[]> {
    return this.whileTaking(collection, async () => {
      const items: T[] = [];
      for await (const item of allOf(list)) items.push(item);
      return items;
    });
  }

  /** The first page of a list that only grows. */
  async loadRecent<T extends Item>(collection: Collection, page: () => Promise<Page<T>>): Promise<readonly T[]> {
    return this.whileTaking(collection, async () => (await page()).items);
  }

  private async whileTaking<T extends Item>(collection: Collection, load: () => Promise<T[]>): Promise<readonly T[]> {
    const meanwhile: Change[] = [];
    this.loads.add(meanwhile);
    try {
      return patch(collection, await load(), meanwhile);
    } finally {
      this.loads.delete(meanwhile);
    }
  }

  private take(message: StreamMessage): void {
    const change = changeOf(message);
    for (const meanwhile of this.loads) meanwhile.push(change);
    this.waiting.push(change);
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  private flush(): void {
    this.timer = undefined;
    const changes = this.waiting.splice(0);
    for (const collection of COLLECTIONS)
      this.queries.setQueryData<readonly Item[]>([collection], (items) => items && patch(collection, items, changes));
    for (const [collection, key] of [
      ['migrations', 'migration'],
      ['plans', 'plan'],
    ] as const) {
      const changed = new Set(changes.filter((change) => change.collection === collection).map(({ id }) => id));
      for (const id of changed) void this.queries.invalidateQueries({ queryKey: [key, id] });
    }
  }
}
