import type { EntityManager } from 'typeorm';
import type { CreateStorageDomain, Page, StorageDomainQuery } from '#contracts';
import { StorageDomain } from '../entities/storage-domain.entity.js';
import { page } from '../paging.js';
import { BaseRepository } from './base.js';

/** What lies on a storage domain. */
export interface StorageUsage {
  readonly diskCount: number;
  readonly diskMiB: number;
}

const NOTHING: StorageUsage = { diskCount: 0, diskMiB: 0 };

export class StorageDomainRepository extends BaseRepository<StorageDomain> {
  constructor(manager: EntityManager) {
    super(manager, StorageDomain, 'storage domain');
  }

  page({ clusterId, name, ...paging }: StorageDomainQuery): Promise<Page<StorageDomain>> {
    const query = this.rows.createQueryBuilder('row');
    if (clusterId) query.andWhere('row.clusterId = :clusterId', { clusterId });
    if (name) query.andWhere('row.name = :name', { name });
    return page(query, paging, { by: 'name', direction: 'ASC' });
  }

  /** Folders that each host of the cluster has of its own. */
  async localPaths(clusterId: string): Promise<string[]> {
    const domains = await this.rows.find({ select: { path: true }, where: { clusterId, kind: 'local' } });
    return [...new Set(domains.map(({ path }) => path))].toSorted();
  }

  async create(values: CreateStorageDomain): Promise<StorageDomain> {
    const { id } = await this.rows.save(this.rows.create(values));
    return this.get(id);
  }

  async remove(id: string): Promise<void> {
    await this.rows.delete({ id: (await this.lock(id)).id });
  }

  async usage(ids: readonly string[]): Promise<(id: string) => StorageUsage> {
    const rows: ({ id: string } & StorageUsage)[] = await this.manager.query(
      `SELECT disk->>'storageDomainId' AS id, count(*)::int AS "diskCount", sum((disk->>'sizeMiB')::int)::int AS "diskMiB"
         FROM vm, jsonb_array_elements(vm.disks) AS disk
        WHERE disk->>'storageDomainId' = ANY ($1) GROUP BY 1`,
      [ids],
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    return (id) => byId.get(id) ?? NOTHING;
  }
}
