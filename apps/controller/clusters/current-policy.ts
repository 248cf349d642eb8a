import type { ClusterPolicy, SchedulingPolicy } from '#contracts';
import type { Cluster } from '#database';

/** The policy that holds: that of the schedule's window that is open, else the cluster's own. */
export const currentPolicy = ({ schedulingPolicy, policySchedule, openWindow }: Cluster): SchedulingPolicy =>
  openWindow === null ? schedulingPolicy : (policySchedule?.windows[openWindow]?.schedulingPolicy ?? schedulingPolicy);

/** What is kept of each change of a cluster. */
export function policyValues(cluster: Cluster): ClusterPolicy {
  const { schedulingPolicy, policySchedule, planMode, migrationPolicyId } = cluster;
  const { cooldownSeconds, maxMigrationsPerHost, haReservation, checkpointLimitMiB, fencing } = cluster;
  return {
    schedulingPolicy,
    policySchedule,
    planMode,
    migrationPolicyId,
    cooldownSeconds,
    maxMigrationsPerHost,
    haReservation,
    checkpointLimitMiB,
    fencing,
  };
}
