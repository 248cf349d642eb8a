import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { AgentContext } from '../agent-context.js';

const INTERVAL_MS = 250;

/** Sees VMs arrive, and throws away those that never will, without being asked. */
@Injectable()
export class ArrivalWatch {
  private isBusy = false;

  constructor(private readonly agent: AgentContext) {}

  @Interval(INTERVAL_MS)
  async look(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    await this.agent.transfers.lookAtArrivals();
    await this.agent.transfers.restoreVcpus();
    this.isBusy = false;
  }
}
