import type { EntityManager } from 'typeorm';
import type { Page, PageQuery } from '#contracts';
import { Cluster } from '../entities/cluster.entity.js';
import { MigrationPolicy } from '../entities/migration-policy.entity.js';
import { Setting } from '../entities/setting.entity.js';
import { page } from '../paging.js';
import { BaseRepository } from './base.js';

/** What has a default. */
type Optional = 'fencing' | 'haReservation' | 'checkpointLimitMiB' | 'planMode' | 'policySchedule' | 'openWindow';
type ClusterValues = Omit<Cluster, 'id' | 'createdAt' | Optional> & Partial<Pick<Cluster, Optional>>;

export class ClusterRepository extends BaseRepository<Cluster> {
  constructor(manager: EntityManager) {
    super(manager, Cluster, 'cluster');
  }

  page(query: PageQuery): Promise<Page<Cluster>> {
    return page(this.rows.createQueryBuilder('row'), query, { by: 'name', direction: 'ASC' });
  }

  all(): Promise<Cluster[]> {
    return this.rows.find({ order: { name: 'ASC' } });
  }

  create(values: ClusterValues): Promise<Cluster> {
    return this.rows.save(this.rows.create(values));
  }

  async update(id: string, values: Partial<ClusterValues>): Promise<Cluster> {
    return this.rows.save({ ...(await this.lock(id)), ...values });
  }

  async remove(id: string): Promise<void> {
    await this.rows.delete({ id: (await this.lock(id)).id });
  }

  /** One decision about a cluster at a time, whichever controller takes it; until the transaction ends. */
  async lockDecisions(id: string): Promise<void> {
    await this.manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('drover:cluster:' || $1, 0))`, [id]);
  }
}

type Passage = Pick<MigrationPolicy, 'encryption' | 'tunnelled' | 'bandwidthSharePercent'>;
type PolicyValues = Omit<MigrationPolicy, 'id' | 'createdAt' | keyof Passage> & Partial<Passage>;

export class MigrationPolicyRepository extends BaseRepository<MigrationPolicy> {
  constructor(manager: EntityManager) {
    super(manager, MigrationPolicy, 'migration policy');
  }

  all(): Promise<MigrationPolicy[]> {
    return this.rows.find();
  }

  page(query: PageQuery): Promise<Page<MigrationPolicy>> {
    return page(this.rows.createQueryBuilder('row'), query, { by: 'name', direction: 'ASC' });
  }

  create(values: PolicyValues): Promise<MigrationPolicy> {
    return this.rows.save(this.rows.create(values));
  }

  async update(id: string, values: Partial<PolicyValues>): Promise<MigrationPolicy> {
    return this.rows.save({ ...(await this.lock(id)), ...values });
  }

  async remove(id: string): Promise<void> {
    await this.rows.delete({ id: (await this.lock(id)).id });
  }

  /** The policy of clusters that name no other. */
  async defaultId(): Promise<string> {
    const { value } = await this.manager.getRepository(Setting).findOneByOrFail({ name: 'defaultMigrationPolicyId' });
    return value as string;
  }
}
