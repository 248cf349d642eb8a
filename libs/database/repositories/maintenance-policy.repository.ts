import type { EntityManager } from 'typeorm';
import type { CreateMaintenancePolicy, MaintenancePolicyQuery, Page } from '#contracts';
import { Conflict } from '../errors.js';
import {
  type MaintenanceDefinition,
  MaintenancePolicy,
  MaintenancePolicyVersionRow,
} from '../entities/maintenance-policy.entity.js';
import { page } from '../paging.js';
import { BaseRepository } from './base.js';

type Change = Partial<MaintenanceDefinition & Pick<MaintenancePolicy, 'name' | 'enabled'>>;

/** Every version of a policy is kept, with who made it. */
export class MaintenancePolicyRepository extends BaseRepository<MaintenancePolicy> {
  constructor(manager: EntityManager) {
    super(manager, MaintenancePolicy, 'maintenance policy');
  }

  page({ clusterId, ...paging }: MaintenancePolicyQuery): Promise<Page<MaintenancePolicy>> {
    const query = this.rows.createQueryBuilder('row');
    if (clusterId) query.andWhere('row.clusterId = :clusterId', { clusterId });
    return page(query, paging, { by: 'name', direction: 'ASC' });
  }

  /** Of one cluster, or of all. */
  all(clusterId: string | undefined): Promise<MaintenancePolicy[]> {
    return this.rows.find({ where: clusterId ? { clusterId } : {}, order: { name: 'ASC' } });
  }

  enabledOf(clusterId: string): Promise<MaintenancePolicy[]> {
    return this.rows.find({ where: { clusterId, enabled: true }, order: { name: 'ASC' } });
  }

  async create(policy: CreateMaintenancePolicy, changedBy: string, now: Date): Promise<MaintenancePolicy> {
    const { clusterId, name, enabled, ...definition } = policy;
    const row = await this.rows.save(this.rows.create({ clusterId, name, enabled, definition, version: 1 }));
    await this.keep(row, changedBy, now);
    return row;
  }

  /** Throws Conflict unless `version`, where it is given, is the newest one. */
  async update(
    id: string,
    { name, enabled, ...changed }: Change,
    version: number | undefined,
    changedBy: string,
    now: Date,
  ): Promise<MaintenancePolicy> {
    const before = await this.lock(id);
    if (version !== undefined && version !== before.version)
      throw new Conflict(
        `the policy is at version ${before.version}, the change was made to ${version}; look at it again`,
      );
    const row = await this.rows.save({
      ...before,
      name: name ?? before.name,
      enabled: enabled ?? before.enabled,
      definition: { ...before.definition, ...changed },
      version: before.version + 1,
    });
    await this.keep(row, changedBy, now);
    return row;
  }

  /** Newest first. */
  versions(policyId: string): Promise<MaintenancePolicyVersionRow[]> {
    return this.manager
      .getRepository(MaintenancePolicyVersionRow)
      .find({ where: { policyId }, order: { version: 'DESC' } });
  }

  async remove(id: string): Promise<void> {
    await this.rows.delete({ id: (await this.lock(id)).id });
  }

  private async keep(row: MaintenancePolicy, changedBy: string, changedAt: Date): Promise<void> {
    const { id: policyId, clusterId, name, enabled, version, definition } = row;
    const policy = { clusterId, name, enabled, ...definition };
    await this.manager
      .getRepository(MaintenancePolicyVersionRow)
      .insert({ policyId, version, changedAt, changedBy, policy } as never);
  }
}
