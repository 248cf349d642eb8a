import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Database } from '#database';
import { type Config } from '../config.js';
import { type Log, LOG } from '../log.js';
import { Planning } from '../plans/planning.js';
import { CONFIG } from '../tokens.js';
import { Ticker } from '../ticker.js';

/** Lets every cluster's policy decide, again and again. */
@Injectable()
export class PolicyLoop implements OnApplicationBootstrap, OnApplicationShutdown {
  private ticker: Ticker | undefined;

  constructor(
    private readonly db: Database,
    private readonly planning: Planning,
    private readonly schedule: SchedulerRegistry,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.ticker = new Ticker(this.schedule, this.log, {
      name: 'policy loop',
      intervalMs: this.config.policyIntervalMs,
      work: () => this.decideAll(),
    });
  }

  /** Somebody has changed what policies go by: they need not wait for their next turn. */
  soon(): void {
    this.ticker?.soon();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.ticker?.stop();
  }

  /** One cluster that cannot be decided about does not keep the others waiting. */
  private async decideAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const { id } of await this.db.clusters.all()) {
      try {
        await this.planning.apply(id, new Date());
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'several clusters');
  }
}
