/** Records of VMs that are not here any more are kept while an old order might still come, and not for ever. */
import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { AgentContext } from '../agent-context.js';

const INTERVAL_MS = 600_000;

@Injectable()
export class RecordSweep {
  constructor(private readonly agent: AgentContext) {}

  @Interval(INTERVAL_MS)
  async sweep(): Promise<void> {
    await this.agent.vms.forgetGone(Date.now());
  }
}
