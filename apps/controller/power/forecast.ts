/** What load a cluster's power_saving has to reckon with. */
import type { Cluster, Repositories } from '#database';
import { type ClusterFacts, coresUsed, forecastHorizons, withForecast } from '#planner';
import { currentPolicy } from '../clusters/current-policy.js';

const RECENT_MS = 3_600_000;

/** Keeps what the cluster's VMs use now, for later forecasts. */
export const observeLoad = (tx: Repositories, { id }: Cluster, facts: ClusterFacts, now: Date): Promise<void> =>
  tx.clusterLoads.observe(id, coresUsed(facts), now);

/** The facts with the load that the past lets expect. */
export async function forecastFor(
  tx: Repositories,
  cluster: Cluster,
  facts: ClusterFacts,
  now: Date,
): Promise<ClusterFacts> {
  const schedulingPolicy = currentPolicy(cluster);
  const horizons = forecastHorizons(facts, schedulingPolicy);
  if (!horizons) return facts;
  const past = await tx.clusterLoads.past(cluster.id, RECENT_MS, horizons.offMs, now);
  return withForecast(facts, schedulingPolicy, past, now.getTime());
}
