/** What moves of a cluster's VMs would take, for the planner: by the rule that decides about migrations. */
import type { MigrationPrediction } from '#contracts';
import { predict } from '#convergence';
import type { Cluster, MigrationPolicy, Repositories } from '#database';
import type { ClusterFacts, VmFacts } from '#planner';
import { samplesOf } from './samples.js';

const MIB = 2 ** 20;

/**
 * The facts with predictions from the memory and dirty rate that heartbeats tell, and what was found when the VM was last
 * looked at. Of a VM that nobody has looked at yet it is not known what could be done about it: it has none if pre-copy
 * alone would not end.
 */
export async function withPredictions(
  tx: Repositories,
  cluster: Cluster,
  facts: ClusterFacts,
  now: Date,
): Promise<ClusterFacts> {
  const outlooks = new Map((await tx.vms.migrationOutlooks(cluster.id)).map((outlook) => [outlook.id, outlook]));
  const bandwidths = new Map([...(await tx.hosts.links()), ...(await tx.migrations.bandwidthsFrom(cluster.id))]);
  const policies = new Map((await tx.migrationPolicies.all()).map((policy) => [policy.id, policy]));
  const vms = facts.vms.map((vm) => {
    const outlook = outlooks.get(vm.id);
    const policy = policies.get(outlook?.migrationPolicyId ?? cluster.migrationPolicyId);
    if (!outlook || !policy || vm.dirtyRateMiBps === null) return vm;
    const linkMiBps = bandwidths.get(vm.hostId) ?? policy.bandwidthMiBps;
    if (linkMiBps === null) return vm; // the planner assumes something
    return { ...vm, ...predictionOf(vm, outlook.migrationPrediction, policy, linkMiBps, now) };
  });
  return { ...facts, vms };
}

/** What is known of a move of the VM; `looked`: what was found when it was last looked at. */
export function predictionOf(
  vm: VmFacts,
  looked: MigrationPrediction | null,
  { bandwidthMiBps: limit, downtimeLimitMs, convergence }: MigrationPolicy,
  linkMiBps: number,
  now: Date,
): Pick<VmFacts, 'prediction' | 'whyEndless'> {
  const bandwidthMiBps = Math.min(limit ?? Infinity, linkMiBps);
  const dirtyRateMiBps = vm.dirtyRateMiBps ?? 0;
  const guest = {
    usedBytes: Math.min(vm.memoryMiB, vm.memoryUsedMiB ?? vm.memoryMiB) * MIB,
    totalBytes: vm.memoryMiB * MIB,
    dirtyBytesPerMs: (dirtyRateMiBps * MIB) / 1000,
    bytesPerMs: (bandwidthMiBps * MIB) / 1000,
    vcpus: vm.vcpus,
    downtimeLimitMs,
    ...samplesOf(looked, now),
    atHand: looked?.atHand ?? [],
  };
  const { totalMs, downtimeMs, transferredBytes, means, reason } = predict(guest, convergence);
  if (totalMs === null || transferredBytes === null)
    return { prediction: null, ...(guest.atHand.length > 0 && { whyEndless: reason }) };
  const held = means.map((step) => (step.means === 'throttle' || step.means === 'cpu_limit' ? (step.value ?? 0) : 0));
  const logging = Math.min(1, dirtyRateMiBps / bandwidthMiBps) / 2; // a fault at the first write to each page
  return {
    prediction: {
      bytes: transferredBytes,
      durationMs: totalMs,
      pauseMs: downtimeMs ?? downtimeLimitMs,
      slowdown: Math.max(logging, ...held.map((percent) => percent / 100)),
    },
  };
}
