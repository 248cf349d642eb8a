import type { ClusterView } from '#contracts';
import type { Cluster } from '#database';

export const clusterView = (cluster: Cluster): ClusterView => ({
  ...cluster,
  createdAt: cluster.createdAt.toISOString(),
});
