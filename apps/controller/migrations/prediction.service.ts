import { Injectable } from '@nestjs/common';
import { type MigrationPrediction, MigrationProbe } from '#contracts';
import { Database } from '#database';
import { AgentClient } from '../agents/agent-client.js';
import { Refused } from '../http/problems.js';
import { predictMove } from './prediction.js';

/** What moving a VM would take, measured at once. */
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
    const migrationPrediction = await predictMove(this.db, vm, vm.hostId, probe, now);
    await this.db.vms.update(vm, { migrationPrediction });
    return migrationPrediction;
  }
}
