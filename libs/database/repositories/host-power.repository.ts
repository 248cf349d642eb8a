import { type EntityManager, IsNull, Not } from 'typeorm';
import { HostBoot, HostPower } from '../entities/host-power.entity.js';

type Values = Partial<Omit<HostPower, 'hostId'>>;

export class HostPowerRepository {
  constructor(private readonly manager: EntityManager) {}

  private get rows() {
    return this.manager.getRepository(HostPower);
  }

  /** Null: nothing is known of the host's power. */
  find(hostId: string): Promise<HostPower | null> {
    return this.rows.findOneBy({ hostId });
  }

  all(): Promise<HostPower[]> {
    return this.rows.find();
  }

  /** Makes the row if there is none. The host's row is to be locked before. */
  async save(hostId: string, values: Values): Promise<HostPower> {
    await this.manager.createQueryBuilder().insert().into(HostPower).values({ hostId }).orIgnore().execute();
    if (Object.keys(values).length > 0) await this.rows.update({ hostId }, values as never);
    return this.rows.findOneByOrFail({ hostId });
  }

  /** People decide about the host from now on, not a policy. */
  async unpark(hostId: string): Promise<void> {
    await this.rows.update({ hostId, isParked: true }, { isParked: false });
  }

  /** Hosts with whose power something is being done. */
  underWay(): Promise<HostPower[]> {
    return this.rows.findBy({ operation: Not(IsNull()) });
  }

  async addBoot(hostId: string, at: Date, seconds: number): Promise<void> {
    await this.manager.getRepository(HostBoot).insert({ hostId, at, seconds });
  }

  /** The latest first. */
  boots(hostId: string, limit: number): Promise<HostBoot[]> {
    return this.manager.getRepository(HostBoot).find({ where: { hostId }, order: { id: 'DESC' }, take: limit });
  }
}
