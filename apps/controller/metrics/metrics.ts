import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { Database } from '#database';

/** What Prometheus is told. Counts are read from the database, so every controller tells the same. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  private readonly things: Gauge<'resource' | 'status'>;
  private readonly downtime: Histogram;
  private readonly duration: Histogram;
  private readonly planning: Histogram;

  constructor(private readonly db: Database) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.things = new Gauge({
      name: 'drover_resources',
      help: 'Hosts, VMs and migrations by status',
      labelNames: ['resource', 'status'],
      registers,
    });
    this.downtime = new Histogram({
      name: 'drover_migration_downtime_seconds',
      help: 'How long guests stood still at the switchover of completed migrations',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.duration = new Histogram({
      name: 'drover_migration_duration_seconds',
      help: 'How long completed migrations took',
      buckets: [0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
      registers,
    });
    this.planning = new Histogram({
      name: 'drover_planning_seconds',
      help: "How long a policy's decision about one cluster took",
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
      registers,
    });
  }

  migrationCompleted(totalMs: number | null, downtimeMs: number | null): void {
    if (totalMs !== null) this.duration.observe(totalMs / 1000);
    if (downtimeMs !== null) this.downtime.observe(downtimeMs / 1000);
  }

  planned(milliseconds: number): void {
    this.planning.observe(milliseconds / 1000);
  }

  /** Prometheus text format. */
  async text(): Promise<string> {
    this.things.reset();
    for (const { resource, status, count } of await this.db.countByStatus())
      this.things.set({ resource, status }, count);
    return this.registry.metrics();
  }
}
