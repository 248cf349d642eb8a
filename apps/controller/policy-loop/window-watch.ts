/** Opens and closes the windows of clusters' schedules. */
import type { Cluster, Repositories } from '#database';
import { openWindow } from '#planner';
import { currentPolicy } from '../clusters/current-policy.js';

/** The cluster with the window that is open now; the caller has the lock on decisions. */
export async function watchWindow(tx: Repositories, cluster: Cluster, now: Date): Promise<Cluster> {
  const open = openWindow(cluster.policySchedule, now.getTime());
  if (open === cluster.openWindow) return cluster;
  const changed = await tx.clusters.update(cluster.id, { openWindow: open });
  const [before, after] = [currentPolicy(cluster).name, currentPolicy(changed).name];
  const window = open === null ? null : changed.policySchedule!.windows[open]!;
  const why = window ? `from ${window.from} to ${window.to}, as its schedule wants it` : 'its window has ended';
  const text = `the policy of ${cluster.name} was ${before} and is now ${after}: ${why}`;
  await tx.events.add('info', 'cluster.policy', text, { clusterId: cluster.id }, now);
  return changed;
}
