/** How long VMs take to leave, by what was measured of links and guests. */
import { predict } from '#convergence';
import type { MigrationPolicy, Repositories, Vm } from '#database';

const MIB = 2 ** 20;
/** 10 Gbit/s, where nothing is known of the link. */
const ASSUMED_MIBPS = 1192;

export interface Expectation {
  /** Null: it would not arrive by itself. */
  readonly seconds: number | null;
  readonly downtimeMs: number | null;
  readonly bandwidthMiBps: number;
  readonly dirtyRateMiBps: number;
}

/** For each of the VMs, which run on one host; by the figures of their last heartbeats. */
export async function expectMoves(
  tx: Repositories,
  hostId: string,
  vms: readonly Vm[],
): Promise<ReadonlyMap<string, Expectation>> {
  const link = await tx.migrations.bandwidthFrom(hostId);
  const expected = new Map<string, Expectation>();
  for (const vm of vms) {
    const policyId = vm.migrationPolicyId ?? (await tx.clusters.get(vm.clusterId)).migrationPolicyId;
    expected.set(vm.id, expectMove(vm, await tx.migrationPolicies.get(policyId), link));
  }
  return expected;
}

function expectMove(vm: Vm, policy: MigrationPolicy, link: number | null): Expectation {
  const bandwidthMiBps = Math.min(policy.bandwidthMiBps ?? Infinity, link ?? policy.bandwidthMiBps ?? ASSUMED_MIBPS);
  const dirtyRateMiBps = vm.dirtyRateMiBps ?? 0;
  const { totalMs, downtimeMs } = predict(
    {
      usedBytes: Math.max(1, Math.min(vm.memoryMiB, vm.memoryUsedMiB ?? vm.memoryMiB)) * MIB,
      totalBytes: vm.memoryMiB * MIB,
      dirtyBytesPerMs: (dirtyRateMiBps * MIB) / 1000,
      bytesPerMs: (bandwidthMiBps * MIB) / 1000,
      vcpus: vm.vcpus,
      downtimeLimitMs: policy.downtimeLimitMs,
      compressedShare: null,
      deltaShare: null,
      atHand: [],
    },
    policy.convergence,
  );
  return { seconds: totalMs === null ? null : totalMs / 1000, downtimeMs, bandwidthMiBps, dirtyRateMiBps };
}
