import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Database } from '#database';
import { type Config } from '../config.js';
import { type Log, LOG } from '../log.js';
import { CONFIG } from '../tokens.js';
import { Ticker } from '../ticker.js';
import { Maintaining } from './maintaining.js';

/** Lets hosts go into maintenance and come back, again and again. */
@Injectable()
export class MaintenanceLoop implements OnApplicationBootstrap, OnApplicationShutdown {
  private ticker: Ticker | undefined;

  constructor(
    private readonly db: Database,
    private readonly maintaining: Maintaining,
    private readonly schedule: SchedulerRegistry,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.ticker = new Ticker(this.schedule, this.log, {
      name: 'maintenance',
      intervalMs: this.config.policyIntervalMs,
      work: () => this.all(),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.ticker?.stop();
  }

  /** One cluster that cannot be decided about does not keep the others waiting. */
  private async all(): Promise<void> {
    const errors: unknown[] = [];
    for (const { id } of await this.db.clusters.all()) {
      try {
        await this.maintaining.turn(id, new Date());
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'several clusters');
  }
}
