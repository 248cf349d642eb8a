/** What nearly every page needs, loaded once and then kept up by the stream: clusters, hosts, VMs, recent migrations. */
import { useQuery } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useMemo } from 'react';
import type { ClusterView, HostView, MigrationView, VmView } from '#contracts';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { RECENT } from './changes.js';
import { useSession } from './session.js';

interface Inventory {
  readonly clusters: readonly ClusterView[];
  readonly hosts: readonly HostView[];
  readonly vms: readonly VmView[];
  /** The newest ones; older ones come by page. */
  readonly migrations: readonly MigrationView[];
}

const InventoryContext = createContext<Inventory | null>(null);

export function useInventory(): Inventory {
  const inventory = useContext(InventoryContext);
  if (!inventory) throw new Error('useInventory is called outside of InventoryProvider');
  return inventory;
}

/** `patch` keeps what did not change; comparing thousands of VMs once more would only cost. */
const STREAMED = { structuralSharing: false } as const;

export function InventoryProvider({ children }: { children: ReactNode }) {
  const { client, live } = useSession();
  const limit = 200;
  const clusters = useQuery({
    ...STREAMED,
    queryKey: ['clusters'],
    queryFn: () => live.load('clusters', (cursor) => client.clusters.list({ cursor, limit })),
  });
  const hosts = useQuery({
    ...STREAMED,
    queryKey: ['hosts'],
    queryFn: () => live.load('hosts', (cursor) => client.hosts.list({ cursor, limit })),
  });
  const vms = useQuery({
    ...STREAMED,
    queryKey: ['vms'],
    queryFn: () => live.load('vms', (cursor) => client.vms.list({ cursor, limit })),
  });
  const migrations = useQuery({
    ...STREAMED,
    queryKey: ['migrations'],
    queryFn: () => live.loadRecent('migrations', () => client.migrations.list({ limit: RECENT })),
  });
  const inventory = useMemo(
    () =>
      clusters.data && hosts.data && vms.data && migrations.data
        ? { clusters: clusters.data, hosts: hosts.data, vms: vms.data, migrations: migrations.data }
        : null,
    [clusters.data, hosts.data, vms.data, migrations.data],
  );
  if (inventory) return <InventoryContext value={inventory}>{children}</InventoryContext>;
  const failed = [clusters, hosts, vms, migrations].find(({ error }) => error);
  if (failed) return <ProblemAlert error={failed.error} onRetry={() => void failed.refetch()} />;
  return <LoadingPage />;
}

/** Migrations that have not ended. */
export const isActive = ({ status }: Pick<MigrationView, 'status'>) =>
  status !== 'completed' && status !== 'failed' && status !== 'cancelled';
