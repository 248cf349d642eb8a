import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import type { HostStatus } from '#contracts';
import { Database, type Host, type HostPower } from '#database';
import { addWatts, learntCurve, type WattsSamples } from '#planner';
import { type Log, LOG } from '../log.js';
import { PowerControls } from '../power/power-controls.js';
import { FRESH_MS } from '../power/power.view.js';
import { Ticker } from '../ticker.js';
import { energyOf } from './account.js';

const INTERVAL_MS = 20_000;
/** Nobody knows what was in a longer gap, so it is not counted. */
const LONGEST_GAP_MS = 300_000;
const MEASURE_EVERY_MS = 60_000;
/** A BMC that cannot tell what its host draws is asked again after so long. */
const ASK_AGAIN_MS = 3_600_000;
const CLEAN_UP_EVERY_MS = 3_600_000;

/** Counts what hosts draw, by the minute and day; asks BMCs that can tell. */
@Injectable()
export class EnergyLoop implements OnApplicationBootstrap, OnApplicationShutdown {
  private ticker: Ticker | undefined;
  private readonly askedAt = new Map<string, number>();
  private cleanedUpAt = 0;

  constructor(
    private readonly db: Database,
    private readonly controls: PowerControls,
    private readonly schedule: SchedulerRegistry,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.ticker = new Ticker(this.schedule, this.log, {
      name: 'energy',
      intervalMs: INTERVAL_MS,
      // One controller counts: two would count everything twice.
      work: async () => void (await this.db.exclusively('energy', () => this.turn())),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.ticker?.stop();
  }

  private async turn(): Promise<void> {
    const powers = await this.db.hostPower.all();
    const hosts = new Map(
      (await this.db.hosts.byIds(powers.map(({ hostId }) => hostId))).map((host) => [host.id, host]),
    );
    for (const power of powers) {
      const host = hosts.get(power.hostId);
      if (host) await this.count(host, await this.measure(host, power), new Date());
    }
    await this.cleanUp(new Date());
  }

  private async count(host: Host, power: HostPower, now: Date): Promise<void> {
    const elapsedMs = power.accountedAt ? now.getTime() - power.accountedAt.getTime() : 0;
    const isFresh = power.measuredAt !== null && now.getTime() - power.measuredAt.getTime() < FRESH_MS;
    const facts = {
      status: host.status,
      cpuCores: host.cpuCores,
      cpuUsedCores: host.cpuSmoothedCores,
      curve: power.wattsAt ?? learntCurve(power.wattsSamples),
      offWatts: power.offWatts,
      measuredWatts: isFresh ? power.measuredWatts : null,
      isParked: power.isParked,
    };
    const amount = energyOf(facts, Math.min(Math.max(0, elapsedMs), LONGEST_GAP_MS) / 1000);
    await this.db.transaction(async (tx) => {
      await tx.hostPower.save(host.id, { accountedAt: now });
      if (amount)
        await tx.energy.add({ hostId: host.id, clusterId: host.clusterId, hostName: host.name, ...amount }, now);
    });
  }

  private async measure(host: Host, power: HostPower): Promise<HostPower> {
    const now = Date.now();
    if (now < (this.askedAt.get(host.id) ?? 0)) return power;
    this.askedAt.set(host.id, now + MEASURE_EVERY_MS);
    try {
      const measuredWatts = await this.controls.watts(power);
      if (measuredWatts === null) return power;
      const wattsSamples = samplesWith(power.wattsSamples, host, measuredWatts);
      return await this.db.hostPower.save(host.id, { measuredWatts, measuredAt: new Date(), wattsSamples });
    } catch (error) {
      this.askedAt.set(host.id, now + ASK_AGAIN_MS);
      this.log.debug({ hostId: host.id, host: host.name, reason: (error as Error).message }, 'its BMC tells no watts');
      return power;
    }
  }

  private async cleanUp(now: Date): Promise<void> {
    if (now.getTime() - this.cleanedUpAt < CLEAN_UP_EVERY_MS) return;
    this.cleanedUpAt = now.getTime();
    await this.db.clusterLoads.removeOld(now);
  }
}

/** A host in any other status says nothing of its use now. */
const TELLING: ReadonlySet<HostStatus> = new Set(['up', 'preparing_for_maintenance', 'maintenance']);

const samplesWith = (
  samples: WattsSamples | null,
  { status, cpuCores, cpuSmoothedCores }: Host,
  watts: number,
): WattsSamples | null =>
  TELLING.has(status) && cpuCores !== null && cpuSmoothedCores !== null
    ? addWatts(samples, cpuSmoothedCores / cpuCores, watts)
    : samples;
