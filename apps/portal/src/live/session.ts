/** The signed-in session, for every page: client, live cache, and whether the event stream is connected. */
import { createContext, useContext } from 'react';
import type { DroverClient } from '#client';
import type { LiveCache } from './live-cache.js';

export interface Session {
  readonly client: DroverClient;
  readonly live: LiveCache;
  readonly connected: boolean;
  readonly signOut: (why?: string) => void;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('useSession is called outside of a signed-in page');
  return session;
}
