import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Database } from '#database';
import { type Config } from '../config.js';
import { type Log, LOG } from '../log.js';
import { Ticker } from '../ticker.js';
import { CONFIG } from '../tokens.js';
import { Reconciler } from './reconciler.js';

const CLEAN_UP_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;
const KEEP_KEYS_MS = DAY_MS;
const KEEP_EVENTS_MS = 90 * DAY_MS;

/** Looks after what no heartbeat brings about: hosts that have fallen silent and their VMs, rows that are too old. */
@Injectable()
export class ReconcilerLoop implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Since when heartbeats have been received: a host is not blamed for the controller's absence. */
  private listeningSince = Date.now();
  private lastTurn = Date.now();
  private cleanedUpAt = 0;
  private ticker: Ticker | undefined;

  constructor(
    private readonly db: Database,
    private readonly reconciler: Reconciler,
    private readonly schedule: SchedulerRegistry,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.ticker = new Ticker(this.schedule, this.log, {
      name: 'reconciler',
      intervalMs: this.config.loopIntervalMs,
      work: () => this.turn(new Date()),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.ticker?.stop();
  }

  private async turn(now: Date): Promise<void> {
    await this.db.ping();
    // The machine slept, or the database was away: nobody could have been heard.
    if (now.getTime() - this.lastTurn > this.config.hostTimeoutMs / 2) this.listeningSince = now.getTime();
    this.lastTurn = now.getTime();
    await this.loseSilentHosts(now);
    await this.reconciler.reconcileSilent(() => new Date());
    await this.cleanUp(now);
    this.lastTurn = Date.now();
  }

  private async loseSilentHosts(now: Date): Promise<void> {
    const { hostTimeoutMs } = this.config;
    if (now.getTime() - this.listeningSince < hostTimeoutMs) return;
    const since = new Date(now.getTime() - hostTimeoutMs);
    for (const { id, status } of await this.db.hosts.silentSince(since)) {
      await this.db.transaction(async (tx) => {
        const { lastHeartbeatAt, name, clusterId } = await tx.hosts.lock(id);
        if (lastHeartbeatAt && lastHeartbeatAt >= since) return;
        const statusReason = `no heartbeat since ${lastHeartbeatAt?.toISOString()}`;
        await tx.hosts.changeStatus(id, 'non_responsive', { statusReason, statusBeforeLoss: status }, now);
        const text = `${name} does not answer: ${statusReason}`;
        await tx.events.add('error', 'host.non_responsive', text, { hostId: id, clusterId }, now);
        this.log.warn({ hostId: id, host: name, lastHeartbeatAt }, 'host does not answer');
      });
    }
  }

  private async cleanUp(now: Date): Promise<void> {
    if (now.getTime() - this.cleanedUpAt < CLEAN_UP_EVERY_MS) return;
    this.cleanedUpAt = now.getTime();
    await this.db.idempotencyKeys.removeOlderThan(new Date(now.getTime() - KEEP_KEYS_MS));
    await this.db.events.removeOlderThan(new Date(now.getTime() - KEEP_EVENTS_MS));
  }
}
