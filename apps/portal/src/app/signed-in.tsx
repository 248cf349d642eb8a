/** Everything that a token opens: client, query cache, event stream. */
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { ApiError, ConnectionError, DroverClient } from '#client';
import { LiveCache } from '../live/live-cache.js';
import { type Session, SessionContext } from '../live/session.js';

interface SignedInProps {
  readonly token: string;
  readonly onSignOut: (why?: string) => void;
  readonly children: ReactNode;
}

const REFUSED = 'The controller does not accept this token any more. Sign in again.';
/** A short loss is no news; the banner comes when it lasts. */
const QUIET_MS = 1500;

export function SignedIn({ token, onSignOut, children }: SignedInProps) {
  const [connected, setConnected] = useState(true);
  const parts = useMemo(() => {
    const client = new DroverClient({ url: '', token });
    const queries = new QueryClient({
      queryCache: new QueryCache({
        onError: (error) => {
          if (error instanceof ApiError && error.status === 401) onSignOut(REFUSED);
        },
      }),
      defaultOptions: {
        queries: {
          staleTime: Infinity, // the stream tells what changes
          refetchOnWindowFocus: false,
          retry: (count, error) => error instanceof ConnectionError && count < 3,
        },
      },
    });
    return { client, queries, live: new LiveCache(client, queries) };
  }, [token, onSignOut]);

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onConnection = (is: boolean) => {
      clearTimeout(timer);
      if (is) setConnected(true);
      else timer = setTimeout(() => setConnected(false), QUIET_MS);
    };
    parts.live.follow(stop.signal, onConnection).catch((error: unknown) => {
      if (stop.signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) onSignOut(REFUSED);
      else setConnected(false);
    });
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [parts, onSignOut]);

  const session = useMemo<Session>(
    () => ({ client: parts.client, live: parts.live, connected, signOut: onSignOut }),
    [parts, connected, onSignOut],
  );
  return (
    <QueryClientProvider client={parts.queries}>
      <SessionContext value={session}>{children}</SessionContext>
    </QueryClientProvider>
  );
}
