/** Keeps what the load of VMs has been like, for policies that reckon with peaks. */
import type { Repositories } from '#database';
import { observe } from '#planner';

/** A VM is looked at once a minute: histories span hours. */
const EVERY_MS = 60_000;

/** Adds a measurement to the histories of the cluster's VMs, where a minute has passed since the last one. */
export async function watchLoads(tx: Repositories, clusterId: string, now: Date): Promise<void> {
  const due = await tx.vms.measuredBefore(clusterId, new Date(now.getTime() - EVERY_MS));
  const observed = due.map(({ id, epoch, cpuSmoothedCores, loadHistory, loadObservedAt }) => {
    const elapsedMs = loadObservedAt ? now.getTime() - loadObservedAt.getTime() : EVERY_MS;
    return { id, epoch, history: observe(loadHistory, cpuSmoothedCores, elapsedMs) };
  });
  await tx.vms.saveHistories(observed, now);
}
