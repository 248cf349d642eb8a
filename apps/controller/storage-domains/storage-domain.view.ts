import type { StorageDomainView } from '#contracts';
import type { StorageDomain, StorageUsage } from '#database';

export const storageDomainView = (domain: StorageDomain, usage: StorageUsage): StorageDomainView => ({
  id: domain.id,
  clusterId: domain.clusterId,
  name: domain.name,
  kind: domain.kind,
  path: domain.path,
  diskCount: usage.diskCount,
  diskMiB: usage.diskMiB,
  createdAt: domain.createdAt.toISOString(),
});
