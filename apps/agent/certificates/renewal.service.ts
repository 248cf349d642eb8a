/** Sees to it that this host has a certificate that holds. */
import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { AgentContext } from '../agent-context.js';

const LOOK_EVERY_MS = 1_000;

@Injectable()
export class RenewalService {
  private isAsking = false;
  /** What was last wrong, so that it is logged once and not at each look. */
  private trouble: string | null = null;

  constructor(private readonly agent: AgentContext) {}

  /** Asks for a certificate if it is time. Never throws. */
  @Interval(LOOK_EVERY_MS)
  async look(): Promise<void> {
    const { identity, credentials, controller, log } = this.agent;
    const { enrolled } = identity;
    if (this.isAsking || !enrolled || !credentials.isDue(new Date())) return;
    this.isAsking = true;
    try {
      await credentials.renew((request) => controller.certify(enrolled.heartbeatToken, request));
      this.trouble = null;
      log.info('the controller has given this host a certificate');
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.trouble) log.warn(`no certificate: ${message}; trying again`);
      this.trouble = message;
    }
    this.isAsking = false;
  }
}
