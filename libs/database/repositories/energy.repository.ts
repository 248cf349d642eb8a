import type { EntityManager } from 'typeorm';
import { HostEnergy } from '../entities/host-energy.entity.js';

type Amount = Omit<HostEnergy, 'day'>;

export class EnergyRepository {
  constructor(private readonly manager: EntityManager) {}

  /** Adds to the day, which is that of UTC. */
  async add({ hostId, clusterId, hostName, ...amount }: Amount, at: Date): Promise<void> {
    const { usedJoules, savedJoules, measuredJoules, onSeconds, offSeconds } = amount;
    await this.manager.query(
      `INSERT INTO host_energy AS e
         (host_id, day, cluster_id, host_name, used_joules, saved_joules, measured_joules, on_seconds, off_seconds)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       ON CONFLICT (host_id, day) DO UPDATE SET
         cluster_id = excluded.cluster_id, host_name = excluded.host_name,
         used_joules = e.used_joules + excluded.used_joules, saved_joules = e.saved_joules + excluded.saved_joules,
         measured_joules = e.measured_joules + excluded.measured_joules,
         on_seconds = e.on_seconds + excluded.on_seconds, off_seconds = e.off_seconds + excluded.off_seconds`,
      [
        ...[hostId, at.toISOString().slice(0, 10), clusterId, hostName],
        ...[usedJoules, savedJoules, measuredJoules, onSeconds, offSeconds],
      ],
    );
  }

  /** Both days included, oldest first. */
  between(from: string, to: string, clusterId?: string): Promise<HostEnergy[]> {
    const query = this.manager
      .getRepository(HostEnergy)
      .createQueryBuilder('row')
      .where('row.day BETWEEN :from AND :to', { from, to });
    if (clusterId) query.andWhere('row.clusterId = :clusterId', { clusterId });
    return query.orderBy('row.day').addOrderBy('row.hostName').getMany();
  }
}
