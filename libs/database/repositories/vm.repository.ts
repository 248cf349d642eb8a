import { type EntityManager, IsNull, Not } from 'typeorm';
import type { Page, VmQuery, VmReport, VmStatus } from '#contracts';
import { transition, VM_TRANSITIONS } from '#lifecycle';
import type { LoadHistory } from '#planner';
import { Vm } from '../entities/vm.entity.js';
import { page } from '../paging.js';
import { BaseRepository } from './base.js';

type VmDefinition = Pick<
  Vm,
  | 'clusterId'
  | 'name'
  | 'vcpus'
  | 'memoryMiB'
  | 'image'
  | 'append'
  | 'nics'
  | 'disks'
  | 'migrationPolicyId'
  | 'statusReason'
> &
  Partial<Pick<Vm, 'id' | 'labels' | 'placement' | 'priority' | 'highAvailability'>>;
/** All that may change besides the status. */
export type VmChange = Partial<Omit<Vm, 'id' | 'clusterId' | 'status' | 'statusSince' | 'createdAt'>>;

/** What is true of every VM that does not run. */
const NOT_RUNNING: VmChange = {
  hostId: null,
  cpuUsedCores: null,
  cpuSmoothedCores: null,
  memoryUsedMiB: null,
  dirtyRateMiBps: null,
  networkUsedMiBps: null,
  networkSmoothedMiBps: null,
  loadHistory: null,
  loadObservedAt: null,
  guest: null,
  migrationObstacle: null,
};

export class VmRepository extends BaseRepository<Vm> {
  constructor(manager: EntityManager) {
    super(manager, Vm, 'VM');
  }

  page({ clusterId, hostId, status, name, ...paging }: VmQuery): Promise<Page<Vm>> {
    const query = this.rows.createQueryBuilder('row');
    if (clusterId) query.andWhere('row.clusterId = :clusterId', { clusterId });
    if (hostId) query.andWhere('row.hostId = :hostId', { hostId });
    if (status) query.andWhere('row.status = :status', { status });
    if (name) query.andWhere('row.name = :name', { name });
    return page(query, paging, { by: 'name', direction: 'ASC' });
  }

  /** What is known of migrations to come of the cluster's VMs that run. */
  migrationOutlooks(clusterId: string): Promise<Pick<Vm, 'id' | 'migrationPolicyId' | 'migrationPrediction'>[]> {
    const select = { id: true, migrationPolicyId: true, migrationPrediction: true } as const;
    return this.rows.find({ select, where: { clusterId, status: 'up' } });
  }

  /** Went down with their hosts and are to be started elsewhere; those of higher priority first. */
  lost(): Promise<Vm[]> {
    const where = { status: 'down' as const, highAvailability: true, lostAt: Not(IsNull()) };
    return this.rows.find({ where, order: { priority: 'DESC', lostAt: 'ASC', name: 'ASC' } });
  }

  all(): Promise<Vm[]> {
    return this.rows.find({ order: { name: 'ASC' } });
  }

  /** Of these ids those of VMs whose memory no host may keep: they do not exist, or their migration policy says so. */
  async notToBeKept(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    const found: { id: string }[] = await this.manager.query(
      `SELECT given.id FROM unnest($1::uuid[]) AS given (id)
         LEFT JOIN vm ON vm.id = given.id
         LEFT JOIN cluster ON cluster.id = vm.cluster_id
         LEFT JOIN migration_policy ON migration_policy.id = COALESCE(vm.migration_policy_id, cluster.migration_policy_id)
         WHERE migration_policy.keep_checkpoints IS NOT TRUE`,
      [ids],
    );
    return found.map(({ id }) => id);
  }

  onHost(hostId: string): Promise<Vm[]> {
    return this.rows.find({ where: { hostId }, order: { name: 'ASC' } });
  }

  /**
   * Locks all VMs that a host speaks of (`reported`), spoke of, or should speak of, and returns their ids; some of them
   * may be ids of VMs that do not exist any more. Order of locks: see lock().
   */
  async lockConcerned(hostId: string, reported: readonly string[]): Promise<string[]> {
    const concerned: { id: string }[] = await this.manager.query(
      `WITH concerned AS MATERIALIZED (
         SELECT id FROM vm WHERE host_id = $1 UNION SELECT vm_id FROM vm_report WHERE host_id = $1
         UNION SELECT unnest($2::uuid[])),
       locked AS (SELECT id FROM vm WHERE id IN (SELECT id FROM concerned) ORDER BY id FOR NO KEY UPDATE)
       SELECT id FROM concerned LEFT JOIN locked USING (id)`,
      [hostId, reported],
    );
    return concerned.map(({ id }) => id);
  }

  /** As lockAll(), without reading the rows. */
  private async lockIds(ids: readonly string[]): Promise<void> {
    await this.manager.query('SELECT 1 FROM vm WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE', [ids]);
  }

  /** Ids of VMs that no heartbeat speaks of, because their host does not answer or is off, and that are not known to be so yet. */
  async idsOnSilentHosts(): Promise<string[]> {
    const rows: { id: string }[] = await this.manager.query(
      `SELECT vm.id FROM vm JOIN host ON host.id = vm.host_id
        WHERE host.status = 'powered_off'
           OR host.status = 'non_responsive' AND (vm.status <> 'unknown' OR EXISTS (
                SELECT 1 FROM migration
                 WHERE vm_id = vm.id AND migration.status NOT IN ('completed', 'failed', 'cancelled')))`,
    );
    return rows.map(({ id }) => id);
  }

  async create(values: VmDefinition): Promise<Vm> {
    const { id } = await this.rows.save(this.rows.create(values));
    return this.get(id);
  }

  /** Changes what is not the status. The caller holds the lock on `vm`. */
  async update(vm: Vm, values: VmChange): Promise<Vm> {
    await this.rows.update({ id: vm.id }, values as never);
    return Object.assign(vm, values);
  }

  /** Locks the VM and moves it to a status that may follow its own. Throws IllegalTransition. */
  async changeStatus(id: string, to: VmStatus, values: VmChange, now: Date): Promise<Vm> {
    const vm = await this.lock(id);
    const status = transition(VM_TRANSITIONS, `VM ${vm.name}`, vm.status, to);
    const statusSince = status === vm.status ? vm.statusSince : now;
    const implied = status === 'down' ? NOT_RUNNING : {};
    return this.rows.save({ ...vm, ...values, ...implied, status, statusSince });
  }

  /** VMs whose load is known, and was not added to their histories since `before`. */
  measuredBefore(clusterId: string, before: Date): Promise<(Vm & { cpuSmoothedCores: number })[]> {
    return this.rows
      .createQueryBuilder('row')
      .where('row.clusterId = :clusterId AND row.cpuSmoothedCores IS NOT NULL', { clusterId })
      .andWhere('(row.loadObservedAt IS NULL OR row.loadObservedAt <= :before)', { before })
      .getMany() as Promise<(Vm & { cpuSmoothedCores: number })[]>;
  }

  /** Stores histories of VMs that have not been started anew meanwhile. Order of locks: see lock(). */
  async saveHistories(
    histories: readonly { readonly id: string; readonly epoch: number; readonly history: LoadHistory }[],
    now: Date,
  ): Promise<void> {
    if (histories.length === 0) return;
    await this.lockIds(histories.map(({ id }) => id));
    await this.manager.query(
      `UPDATE vm SET load_history = h.history, load_observed_at = $2
         FROM jsonb_to_recordset($1::jsonb) AS h(id uuid, epoch int, history jsonb)
        WHERE vm.id = h.id AND vm.epoch = h.epoch AND vm.host_id IS NOT NULL`,
      [JSON.stringify(histories), now],
    );
  }

  /** Stores what a host measured of the copies that own their VMs; `weight` is that of the newest CPU and network figures (0-1). */
  async saveFigures(hostId: string, reports: readonly VmReport[], weight: number): Promise<void> {
    if (reports.length === 0) return;
    await this.manager.query(
      `UPDATE vm SET
         cpu_used_cores = r."cpuUsedCores",
         cpu_smoothed_cores = coalesce(cpu_smoothed_cores + $3 * (r."cpuUsedCores" - cpu_smoothed_cores), r."cpuUsedCores"),
         memory_used_mib = r."memoryUsedMiB",
         dirty_rate_mibps = r."dirtyRateMiBps",
         network_used_mibps = r."networkUsedMiBps",
         network_smoothed_mibps = coalesce(
           network_smoothed_mibps + $3 * (r."networkUsedMiBps" - network_smoothed_mibps),
           r."networkUsedMiBps", network_smoothed_mibps),
         console_tail = r."consoleTail",
         guest = coalesce(r.guest, vm.guest)
       FROM jsonb_to_recordset($2::jsonb)
            AS r("vmId" uuid, epoch int, "cpuUsedCores" float8, "memoryUsedMiB" float8, "dirtyRateMiBps" float8,
                 "networkUsedMiBps" float8, "consoleTail" text, guest jsonb)
       WHERE vm.id = r."vmId" AND vm.host_id = $1 AND vm.epoch = r.epoch`,
      [hostId, JSON.stringify(reports), weight],
    );
  }

  async remove(id: string): Promise<void> {
    await this.rows.delete({ id });
  }
}
