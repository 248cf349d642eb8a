import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { Database } from '#database';

const BYTES_PER_MIB = 2 ** 20;

/** What Prometheus is told. Counts are read from the database, so every controller tells the same. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  private readonly things: Gauge<'resource' | 'status'>;
  private readonly network: Gauge<'host'>;
  private readonly link: Gauge<'host'>;
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
    this.network = new Gauge({
      name: 'drover_host_network_bytes_per_second',
      help: "What the network cards of a host's VMs send or receive, where it is known of all of them",
      labelNames: ['host'],
      registers,
    });
    this.link = new Gauge({
      name: 'drover_host_link_bytes_per_second',
      help: "What a host's link carries, one direction, where it is known",
      labelNames: ['host'],
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

  private async measureNetworks(): Promise<void> {
    const hosts = await this.db.hosts.all();
    const usageOf = await this.db.hosts.usage(hosts.map(({ id }) => id));
    for (const gauge of [this.network, this.link]) gauge.reset();
    for (const { id, name: host, linkMiBps } of hosts) {
      const { networkUsedMiBps } = usageOf(id);
      if (networkUsedMiBps !== null) this.network.set({ host }, networkUsedMiBps * BYTES_PER_MIB);
      if (linkMiBps !== null) this.link.set({ host }, linkMiBps * BYTES_PER_MIB);
    }
  }

  /** Prometheus text format. */
  async text(): Promise<string> {
    this.things.reset();
    for (const { resource, status, count } of await this.db.countByStatus())
      this.things.set({ resource, status }, count);
    await this.measureNetworks();
    return this.registry.metrics();
  }
}
