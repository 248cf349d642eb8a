import { Brackets, type EntityManager, In, Not } from 'typeorm';
import type { Iteration, MigrationLogLine, MigrationQuery, MigrationStatus, Page } from '#contracts';
import { hasEnded, MIGRATION_TRANSITIONS, transition } from '#lifecycle';
import { Migration, MigrationIteration, MigrationTimeline } from '../entities/migration.entity.js';
import { page } from '../paging.js';
import { BaseRepository } from './base.js';

/** A shorter first pass says little of the link. */
const ENOUGH_BYTES = 4 * 2 ** 20;

const ENDED: MigrationStatus[] = ['completed', 'failed', 'cancelled'];

export type NewMigration = Pick<
  Migration,
  | 'clusterId'
  | 'vmId'
  | 'vmName'
  | 'sourceHostId'
  | 'sourceHostName'
  | 'destinationHostId'
  | 'destinationHostName'
  | 'trigger'
  | 'reason'
  | 'planId'
  | 'sourceEpoch'
  | 'epoch'
  | 'downtimeLimitMs'
  | 'bandwidthMiBps'
  | 'timeoutSeconds'
  | 'convergence'
  | 'versions'
> &
  Partial<Pick<Migration, 'checkpointLimitMiB' | 'encryption' | 'tunnelled' | 'bandwidthSharePercent'>>;
export type MigrationChange = Partial<
  Pick<
    Migration,
    | 'progress'
    | 'decisions'
    | 'log'
    | 'downtimeMs'
    | 'totalMs'
    | 'downtimeBreakdown'
    | 'error'
    | 'reportedAt'
    | 'downtimeLimitMs'
    | 'bandwidthMiBps'
  >
>;

export class MigrationRepository extends BaseRepository<Migration> {
  constructor(manager: EntityManager) {
    super(manager, Migration, 'migration');
  }

  page({ vmId, hostId, status, active, ...paging }: MigrationQuery): Promise<Page<Migration>> {
    const query = this.rows.createQueryBuilder('row');
    if (vmId) query.andWhere('row.vmId = :vmId', { vmId });
    if (hostId)
      query.andWhere(
        new Brackets((either) =>
          either.where('row.sourceHostId = :hostId', { hostId }).orWhere('row.destinationHostId = :hostId'),
        ),
      );
    if (status) query.andWhere('row.status = :status', { status });
    if (active !== undefined) query.andWhere(`row.status ${active ? 'NOT IN' : 'IN'} (:...ended)`, { ended: ENDED });
    return page(query, paging, { by: 'seq', direction: 'DESC' });
  }

  active(): Promise<Migration[]> {
    return this.rows.find({ where: { status: Not(In(ENDED)) }, order: { seq: 'ASC' } });
  }

  activeOfVms(vmIds: readonly string[]): Promise<Migration[]> {
    return vmIds.length === 0 ? Promise.resolve([]) : this.rows.findBy({ vmId: In(vmIds), status: Not(In(ENDED)) });
  }

  iterations(migrationId: string): Promise<MigrationIteration[]> {
    return this.manager.getRepository(MigrationIteration).find({ where: { migrationId }, order: { iteration: 'ASC' } });
  }

  timeline(migrationId: string): Promise<MigrationTimeline[]> {
    return this.manager.getRepository(MigrationTimeline).find({ where: { migrationId }, order: { id: 'ASC' } });
  }

  /** What both ends had to say of it; nothing before its end. */
  async log(id: string): Promise<MigrationLogLine[]> {
    const row = await this.rows.findOne({ where: { id }, select: { id: true, log: true } });
    return this.orNotFound(row, id).log ?? [];
  }

  /** MiB/s of the first passes of the latest migrations from a host, of those that measured more than latency; null: none. */
  async bandwidthFrom(sourceHostId: string): Promise<number | null> {
    const rows: { bandwidth_mibps: number }[] = await this.manager.query(
      `SELECT i.bandwidth_mibps FROM migration m JOIN migration_iteration i ON i.migration_id = m.id AND i.iteration = 1
        WHERE m.source_host_id = $1 AND i.bytes > $2 ORDER BY m.seq DESC LIMIT 5`,
      [sourceHostId, ENOUGH_BYTES],
    );
    return rows.length === 0 ? null : rows.reduce((sum, row) => sum + row.bandwidth_mibps, 0) / rows.length;
  }

  /** The same for all hosts of a cluster that have any. */
  async bandwidthsFrom(clusterId: string): Promise<Map<string, number>> {
    const rows: { host_id: string; mibps: number }[] = await this.manager.query(
      `SELECT latest.source_host_id AS host_id, avg(latest.bandwidth_mibps) AS mibps
         FROM (SELECT m.source_host_id, i.bandwidth_mibps,
                      row_number() OVER (PARTITION BY m.source_host_id ORDER BY m.seq DESC) AS age
                 FROM migration m JOIN migration_iteration i ON i.migration_id = m.id AND i.iteration = 1
                WHERE m.cluster_id = $1 AND i.bytes > $2) latest
        WHERE latest.age <= 5 GROUP BY 1`,
      [clusterId, ENOUGH_BYTES],
    );
    return new Map(rows.map(({ host_id, mibps }) => [host_id, Number(mibps)]));
  }

  /** Creates it as planned. A VM that is being migrated already violates a constraint. */
  async create(values: NewMigration, now: Date): Promise<Migration> {
    const ordinal = 1 + (await this.rows.countBy({ vmId: values.vmId }));
    const { id } = await this.rows.save(
      this.rows.create({ ...values, ordinal, status: 'planned', statusSince: now, createdAt: now }),
    );
    await this.note(id, 'planned', values.reason, now);
    return this.get(id);
  }

  /** Locks the migration and moves it to a status that may follow its own. Throws IllegalTransition. */
  async changeStatus(
    id: string,
    to: MigrationStatus,
    message: string,
    values: MigrationChange,
    now: Date,
  ): Promise<Migration> {
    const migration = await this.lock(id);
    const subject = `migration ${migration.ordinal} of VM ${migration.vmName}`;
    const status = transition(MIGRATION_TRANSITIONS, subject, migration.status, to);
    if (status === migration.status) return this.rows.save({ ...migration, ...values });
    await this.note(id, status, message, now);
    const began = status !== 'planned' && status !== 'queued' && !hasEnded(status);
    return this.rows.save({
      ...migration,
      ...values,
      status,
      statusSince: now,
      startedAt: migration.startedAt ?? (began ? now : null),
      endedAt: hasEnded(status) ? now : null,
    });
  }

  /** Changes what is not the status. */
  async update(id: string, values: MigrationChange): Promise<void> {
    await this.rows.update({ id }, values as never);
  }

  async saveIterations(migrationId: string, iterations: readonly Iteration[]): Promise<void> {
    if (iterations.length === 0) return;
    const rows = iterations.map((iteration) => ({ ...iteration, migrationId }));
    await this.manager.getRepository(MigrationIteration).upsert(rows, ['migrationId', 'iteration']);
  }

  private async note(migrationId: string, status: MigrationStatus, message: string, at: Date): Promise<void> {
    await this.manager.getRepository(MigrationTimeline).insert({ migrationId, status, message, at });
  }
}
