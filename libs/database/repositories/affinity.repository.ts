import type { EntityManager } from 'typeorm';
import type { AffinityGroupQuery, Page } from '#contracts';
import { AffinityGroupRow } from '../entities/affinity-group.entity.js';
import { page } from '../paging.js';
import { BaseRepository } from './base.js';

type Values = Omit<AffinityGroupRow, 'id' | 'createdAt'>;

export class AffinityRepository extends BaseRepository<AffinityGroupRow> {
  constructor(manager: EntityManager) {
    super(manager, AffinityGroupRow, 'affinity group');
  }

  /** Names are unique in a cluster alone, so a list is of one cluster. */
  page({ clusterId, ...paging }: AffinityGroupQuery): Promise<Page<AffinityGroupRow>> {
    const query = this.rows.createQueryBuilder('row').where('row.clusterId = :clusterId', { clusterId });
    return page(query, paging, { by: 'name', direction: 'ASC' });
  }

  ofCluster(clusterId: string): Promise<AffinityGroupRow[]> {
    return this.rows.find({ where: { clusterId }, order: { name: 'ASC' } });
  }

  create(values: Values): Promise<AffinityGroupRow> {
    return this.rows.save(this.rows.create(values));
  }

  async update(id: string, values: Partial<Values>): Promise<AffinityGroupRow> {
    return this.rows.save({ ...(await this.lock(id)), ...values });
  }

  async remove(id: string): Promise<void> {
    await this.rows.delete({ id: (await this.lock(id)).id });
  }
}
