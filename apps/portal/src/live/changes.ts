/** How the event stream's messages change the collections that pages show. Pure. */
import type { StreamMessage } from '#contracts';

export const COLLECTIONS = ['clusters', 'hosts', 'vms', 'migrations', 'plans', 'events'] as const;
export type Collection = (typeof COLLECTIONS)[number];

export interface Item {
  readonly id: string;
}

/** `item` is the whole new view; null: it is gone. */
export interface Change {
  readonly collection: Collection;
  readonly id: string;
  readonly item: Item | null;
}

/** Of what only grows, the newest so many are kept, newest first; pages ask for older ones. */
export const RECENT = 200;
const NEWEST_FIRST: ReadonlySet<Collection> = new Set(['migrations', 'plans', 'events']);

export function changeOf(message: StreamMessage): Change {
  if (message.kind === 'deleted') return { collection: `${message.data.resource}s`, id: message.data.id, item: null };
  return { collection: `${message.kind}s`, id: message.data.id, item: message.data };
}

/** The collection after the changes, which come in the order of time; `items` itself if there are none. */
export function patch<T extends Item>(
  collection: Collection,
  items: readonly T[],
  changes: readonly Change[],
): readonly T[] {
  const latest = new Map<string, T | null>();
  for (const change of changes) if (change.collection === collection) latest.set(change.id, change.item as T | null);
  if (latest.size === 0) return items;
  const known = new Set(items.map(({ id }) => id));
  const kept = items.map((item) => (latest.has(item.id) ? latest.get(item.id)! : item)).filter((item) => item !== null);
  const added = [...latest.values()].filter((item) => item !== null && !known.has(item.id)) as T[];
  return NEWEST_FIRST.has(collection) ? [...added.toReversed(), ...kept].slice(0, RECENT) : [...kept, ...added];
}
