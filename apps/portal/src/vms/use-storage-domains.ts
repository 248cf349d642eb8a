import { useQuery } from '@tanstack/react-query';
import type { StorageDomainView } from '#contracts';
import { useSession } from '../live/session.js';

/** Where disks of a cluster's VMs may be. */
export function useStorageDomains(clusterId: string): readonly StorageDomainView[] {
  const { client } = useSession();
  const { data } = useQuery({
    queryKey: ['storage-domains', clusterId],
    queryFn: () => client.storageDomains.list({ clusterId, limit: 200 }),
    enabled: clusterId !== '',
  });
  return data?.items ?? [];
}
