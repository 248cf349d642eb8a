/** Decisions and events of late, kept up by the stream; pages of older ones on demand. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { EventView, Page, PlanView } from '#contracts';
import type { Item } from './changes.js';
import { useSession } from './session.js';

export function useRecentPlans() {
  const { client, live } = useSession();
  return useQuery<readonly PlanView[]>({
    queryKey: ['plans'],
    queryFn: () =>
      live.loadRecent('plans', async () => {
        const applied = await client.plans.list({ kind: 'applied', limit: 50 });
        const proposed = await client.plans.list({ kind: 'proposed', limit: 20 });
        const items = [...applied.items, ...proposed.items];
        return { items: items.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt)), nextCursor: null };
      }),
  });
}

export function useRecentEvents() {
  const { client, live } = useSession();
  return useQuery<readonly EventView[]>({
    queryKey: ['events'],
    queryFn: () => live.loadRecent('events', () => client.events.list({ limit: 100 })),
  });
}

interface HistoryOptions<T> {
  readonly key: readonly unknown[];
  readonly page: (cursor: string | undefined) => Promise<Page<T>>;
  /** What the stream told of late. */
  readonly recent: readonly T[];
  readonly matches: (item: T) => boolean;
}

/** A list that only grows, newest first: the pages loaded so far, and what has happened since. */
export function useHistory<T extends Item>({ key, page, recent, matches }: HistoryOptions<T>) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => page(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  });
  const items = useMemo(() => {
    const loaded = query.data?.pages.flatMap((one) => one.items) ?? [];
    const latest = new Map(recent.map((item) => [item.id, item]));
    const known = new Set(loaded.map(({ id }) => id));
    const fresh = recent.filter((item) => !known.has(item.id));
    // Recent ones that are older than all that is loaded belong to a page that is not loaded yet.
    const oldestLoaded =
      loaded.length > 0 && query.hasNextPage ? recent.findIndex(({ id }) => id === loaded.at(-1)!.id) : -1;
    const shown = oldestLoaded < 0 ? fresh : fresh.filter((item) => recent.indexOf(item) < oldestLoaded);
    return [...shown, ...loaded.map((item) => latest.get(item.id) ?? item)].filter(matches);
  }, [query.data, query.hasNextPage, recent, matches]);
  return { query, items };
}
