import { Injectable } from '@nestjs/common';
import { MigrationPrediction, MigrationProbe } from '#contracts';
import { predict } from '#convergence';
import { Database, type MigrationPolicy, type Vm } from '#database';
import { AgentClient } from '../agents/agent-client.js';
import { Refused } from '../http/problems.js';

const MIB = 2 ** 20;
/** 10 Gbit/s, where nothing is known of the link. */
const ASSUMED_MIBPS = 1192;

/** What moving a VM would take, before anybody does. */
@Injectable()
export class PredictionService {
  constructor(
    private readonly db: Database,
    private readonly agents: AgentClient,
  ) {}

  /** Measures the guest on its host, and keeps what was found with the VM. Throws Refused unless it is up. */
  async predict(vmId: string, now: Date): Promise<MigrationPrediction> {
    const vm = await this.db.vms.get(vmId);
    if (vm.status !== 'up' || !vm.hostId)
      throw new Refused(`VM ${vm.name} is ${vm.status}; only one that is up can move`);
    const path = `/v1/vms/${vmId}/migration-probe`;
    const probe = await this.agents.call(vm.hostId, { method: 'GET', path }, MigrationProbe);
    const cluster = await this.db.clusters.get(vm.clusterId);
    const policy = await this.db.migrationPolicies.get(vm.migrationPolicyId ?? cluster.migrationPolicyId);
    const prediction = { at: now.toISOString(), ...(await this.from(vm, vm.hostId, probe, policy)) };
    await this.db.vms.update(vm, { migrationPrediction: prediction });
    return prediction;
  }

  private async from(
    vm: Vm,
    hostId: string,
    { dirtyRateMiBps: measured, usedMiB: processMiB, compressedShare, deltaShare, atHand }: MigrationProbe,
    { id: migrationPolicyId, bandwidthMiBps: limit, downtimeLimitMs, convergence }: MigrationPolicy,
  ): Promise<Omit<MigrationPrediction, 'at'>> {
    const link = await this.db.migrations.bandwidthFrom(hostId);
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
    return { migrationPolicyId, ...measures, totalMs, downtimeMs, transferredMiB, means: [...means], atHand, reason };
  }
}
