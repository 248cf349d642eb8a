/** Keeps guests that print a lot from filling the host's disk. */
import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { trimConsole } from '#hypervisor';
import { AgentContext } from '../agent-context.js';

const INTERVAL_MS = 60_000;

@Injectable()
export class ConsoleTrimmer {
  /** Told once: it will not be otherwise in a minute. */
  private hasWarned = false;

  constructor(private readonly agent: AgentContext) {}

  @Interval(INTERVAL_MS)
  async trim(): Promise<void> {
    for (const { vmId, process } of this.agent.vms.records()) {
      if (!process) continue;
      try {
        await trimConsole(process.consoleLog);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !this.agent.vms.record(vmId)?.process) continue; // gone meanwhile
        if (!this.hasWarned)
          this.agent.log.warn({ vmId }, `console logs grow without limit: ${(error as Error).message}`);
        this.hasWarned = true;
      }
    }
  }
}
