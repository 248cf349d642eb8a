import type { EntityManager } from 'typeorm';
import { type LoadSlot, SLOT_MS } from '#planner';

const DAY_MS = 86_400_000;

export class ClusterLoadRepository {
  constructor(private readonly manager: EntityManager) {}

  /** One more sample of what the cluster's VMs use. */
  async observe(clusterId: string, cores: number, now: Date): Promise<void> {
    const slot = new Date(Math.floor(now.getTime() / SLOT_MS) * SLOT_MS);
    await this.manager.query(
      `INSERT INTO cluster_load AS load (cluster_id, slot, cores, samples) VALUES ($1, $2, $3, 1)
       ON CONFLICT (cluster_id, slot) DO UPDATE SET
         cores = load.cores + (excluded.cores - load.cores) / (load.samples + 1), samples = load.samples + 1`,
      [clusterId, slot, cores],
    );
  }

  /** The last `recentMs`, and of the days before what followed this time of day within `aheadMs`. */
  async past(clusterId: string, recentMs: number, aheadMs: number, now: Date): Promise<LoadSlot[]> {
    const rows: { slot: Date; cores: number }[] = await this.manager.query(
      `SELECT slot, cores FROM cluster_load
        WHERE cluster_id = $1
          AND (slot > $2 OR mod(extract(epoch FROM slot - $3::timestamptz)::numeric * 1000 + $5::numeric, $4::numeric) <= $6::numeric)
        ORDER BY slot`,
      [
        clusterId,
        new Date(now.getTime() - recentMs),
        new Date(now.getTime() - SLOT_MS),
        DAY_MS,
        KEPT_DAYS * DAY_MS,
        aheadMs + 2 * SLOT_MS,
      ],
    );
    return rows.map(({ slot, cores }) => ({ startMs: slot.getTime(), cores }));
  }

  async removeOld(now: Date): Promise<void> {
    await this.manager.query('DELETE FROM cluster_load WHERE slot < $1', [
      new Date(now.getTime() - KEPT_DAYS * DAY_MS),
    ]);
  }
}

/** Three weeks: so that a forecast has seen most of what comes again. */
const KEPT_DAYS = 21;
