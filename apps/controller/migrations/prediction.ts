/** From what a host has measured of a VM to what moving it would take. */
import type { MigrationPrediction, MigrationProbe, VmProbe } from '#contracts';
import { predict } from '#convergence';
import type { Repositories, Vm } from '#database';

const MIB = 2 ** 20;
/** 10 Gbit/s, where nothing is known of the link. */
const ASSUMED_MIBPS = 1192;

/** By the VM's migration policy, over the link as the latest migrations from its host have measured it. */
export async function predictMove(
  db: Repositories,
  vm: Vm,
  hostId: string,
  { dirtyRateMiBps: measured, usedMiB: processMiB, compressedShare, deltaShare, atHand }: MigrationProbe,
  now: Date,
): Promise<MigrationPrediction> {
  const cluster = await db.clusters.get(vm.clusterId);
  const policy = await db.migrationPolicies.get(vm.migrationPolicyId ?? cluster.migrationPolicyId);
  const { id: migrationPolicyId, bandwidthMiBps: limit, downtimeLimitMs, convergence } = policy;
  const link = await db.migrations.bandwidthFrom(hostId);
  const bandwidthMiBps = Math.min(limit ?? Infinity, link ?? limit ?? ASSUMED_MIBPS);
  const bandwidthFrom = link !== null && bandwidthMiBps === link ? 'measured' : limit === null ? 'assumed' : 'limit';
  const dirtyRateMiBps = measured ?? vm.dirtyRateMiBps ?? 0;
  const usedMiB = Math.min(vm.memoryMiB, processMiB);
  const { totalMs, downtimeMs, transferredBytes, means, reason } = predict(
    {
      usedBytes: usedMiB * MIB,
      totalBytes: vm.memoryMiB * MIB,
      dirtyBytesPerMs: (dirtyRateMiBps * MIB) / 1000,
      bytesPerMs: (bandwidthMiBps * MIB) / 1000,
      vcpus: vm.vcpus,
      downtimeLimitMs,
      compressedShare,
      deltaShare,
      atHand,
    },
    convergence,
  );
  const transferredMiB = transferredBytes === null ? null : transferredBytes / MIB;
  const measures = { usedMiB, dirtyRateMiBps, compressedShare, deltaShare, bandwidthMiBps, bandwidthFrom } as const;
  const at = now.toISOString();
  return { at, migrationPolicyId, ...measures, totalMs, downtimeMs, transferredMiB, means: [...means], atHand, reason };
}

/** Keeps with each VM what its host has measured; the caller holds the locks on the VMs. What is not the host's any more is passed over. */
export async function savePredictions(tx: Repositories, hostId: string, probes: readonly VmProbe[], now: Date) {
  for (const { vmId, epoch, ...probe } of probes) {
    const vm = await tx.vms.find(vmId);
    if (vm?.hostId !== hostId || vm.epoch !== epoch || vm.status !== 'up') continue;
    await tx.vms.update(vm, { migrationPrediction: await predictMove(tx, vm, hostId, probe, now) });
  }
}
