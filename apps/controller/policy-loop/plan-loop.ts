import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Database } from '#database';
import { type Config } from '../config.js';
import { type Log, LOG } from '../log.js';
import { PlanProgress } from '../plans/plan-progress.js';
import { Ticker } from '../ticker.js';
import { CONFIG } from '../tokens.js';

/** Carries plans on whose moves wait for each other: heartbeats tell the ends of migrations, and about then others begin. */
@Injectable()
export class PlanLoop implements OnApplicationBootstrap, OnApplicationShutdown {
  private ticker: Ticker | undefined;

  constructor(
    private readonly db: Database,
    private readonly progress: PlanProgress,
    private readonly schedule: SchedulerRegistry,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.ticker = new Ticker(this.schedule, this.log, {
      name: 'plan loop',
      intervalMs: this.config.loopIntervalMs,
      work: async () => {
        for (const clusterId of await this.db.plans.clustersWithOpen())
          await this.progress.follow(clusterId, new Date());
      },
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.ticker?.stop();
  }
}
