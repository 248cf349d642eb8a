import { type EntityManager, In, Not } from 'typeorm';
import { MaintenancePhase, type MaintenanceRunQuery, type Page } from '#contracts';
import { hasEndedMaintenance, MAINTENANCE_TRANSITIONS, transition } from '#lifecycle';
import type { PastRun, VmMoves } from '#maintenance';
import { MaintenanceRun } from '../entities/maintenance-run.entity.js';
import { page } from '../paging.js';
import { BaseRepository } from './base.js';

const ENDED = MaintenancePhase.options.filter(hasEndedMaintenance);
/** Enough to see how it went; a run that waits for long says each thing once. */
const MOST_LINES = 200;

export type NewRun = Pick<
  MaintenanceRun,
  | 'clusterId'
  | 'hostId'
  | 'hostName'
  | 'policyId'
  | 'policyName'
  | 'policyVersion'
  | 'trigger'
  | 'reason'
  | 'rolloutId'
  | 'groupNumber'
  | 'hostsAtOnce'
  | 'waitsForWindow'
  | 'windowStartsAt'
  | 'windowEndsAt'
  | 'procedure'
  | 'vms'
>;
export type RunChange = Partial<Pick<MaintenanceRun, 'vms' | 'command' | 'endsAs' | 'phaseReason' | 'heldSince'>>;

export class MaintenanceRepository extends BaseRepository<MaintenanceRun> {
  constructor(manager: EntityManager) {
    super(manager, MaintenanceRun, 'maintenance run');
  }

  page({ clusterId, hostId, policyId, rolloutId, phase, active, ...paging }: MaintenanceRunQuery) {
    const query = this.rows.createQueryBuilder('row');
    const equal = { clusterId, hostId, policyId, rolloutId, phase };
    for (const [column, value] of Object.entries(equal))
      if (value !== undefined) query.andWhere(`row.${column} = :${column}`, { [column]: value });
    if (active !== undefined) query.andWhere(`row.phase ${active ? 'NOT IN' : 'IN'} (:...ended)`, { ended: ENDED });
    return page(query, paging, { by: 'seq', direction: 'DESC' }) as Promise<Page<MaintenanceRun>>;
  }

  activeOf(clusterId: string): Promise<MaintenanceRun[]> {
    return this.rows.find({ where: { clusterId, phase: Not(In(ENDED)) }, order: { seq: 'ASC' } });
  }

  ofRollouts(rolloutIds: readonly string[]): Promise<MaintenanceRun[]> {
    return rolloutIds.length === 0
      ? Promise.resolve([])
      : this.rows.find({ where: { rolloutId: In(rolloutIds) }, order: { seq: 'ASC' } });
  }

  activeOfHost(hostId: string): Promise<MaintenanceRun | null> {
    return this.rows.findOneBy({ hostId, phase: Not(In(ENDED)) });
  }

  /** The latest run of each policy, host and trigger since `since`. */
  historyOf(clusterId: string, since: Date): Promise<PastRun[]> {
    return this.manager.query(
      `SELECT DISTINCT ON (policy_id, host_id, trigger) policy_id AS "policyId", host_id AS "hostId", trigger,
                extract(epoch FROM window_starts_at)::float8 * 1000 AS "windowStartsMs",
                extract(epoch FROM ended_at)::float8 * 1000 AS "endedMs"
           FROM maintenance_run WHERE cluster_id = $1 AND policy_id IS NOT NULL AND created_at > $2
          ORDER BY policy_id, host_id, trigger, seq DESC`,
      [clusterId, since],
    );
  }

  async create(values: NewRun, phaseReason: string, now: Date): Promise<MaintenanceRun> {
    const timeline = [{ at: now.toISOString(), phase: 'waiting' as const, message: values.reason }];
    const fresh = { phase: 'waiting' as const, phaseSince: now, phaseReason, timeline, createdAt: now };
    const { id } = await this.rows.save(this.rows.create({ ...values, ...fresh }));
    return this.get(id);
  }

  /** Locks the run and moves it to a phase that may follow its own. Throws IllegalTransition. */
  async changePhase(
    id: string,
    to: MaintenancePhase,
    message: string,
    values: RunChange,
    now: Date,
  ): Promise<MaintenanceRun> {
    const run = await this.lock(id);
    const phase = transition(MAINTENANCE_TRANSITIONS, `maintenance of ${run.hostName}`, run.phase, to);
    return this.rows.save({
      ...run,
      ...values,
      phase,
      phaseReason: message,
      phaseSince: now,
      heldSince: null,
      phaseBeforePause: phase === 'paused' ? run.phase : null,
      timeline: [...run.timeline, { at: now.toISOString(), phase, message }].slice(-MOST_LINES),
      startedAt: run.startedAt ?? (phase === 'evacuating' ? now : null),
      endedAt: hasEndedMaintenance(phase) ? now : null,
    });
  }

  /** Changes what is not the phase. */
  async update(id: string, values: RunChange): Promise<void> {
    await this.rows.update({ id }, values as never);
  }

  /** What a host tells of the action of its run; false if it has no such run. */
  async saveCommand(id: string, hostId: string, command: NonNullable<MaintenanceRun['command']>): Promise<boolean> {
    const { affected } = await this.rows.update({ id, hostId }, { command } as never);
    return affected === 1;
  }

  /** When migrations from or to each host of a cluster have failed, since `since`. */
  async failedMigrations(clusterId: string, since: Date): Promise<Map<string, number[]>> {
    const rows: { hostId: string; at: Date }[] = await this.manager.query(
      `SELECT host.id AS "hostId", migration.ended_at AS at
         FROM migration JOIN host ON host.id IN (migration.source_host_id, migration.destination_host_id)
        WHERE migration.cluster_id = $1 AND migration.status = 'failed' AND migration.ended_at > $2`,
      [clusterId, since],
    );
    const times = new Map<string, number[]>();
    for (const { hostId, at } of rows) times.set(hostId, [...(times.get(hostId) ?? []), at.getTime()]);
    return times;
  }

  /** What has become of these VMs' migrations since `since`. */
  async movesSince(vmIds: readonly string[], since: Date): Promise<Map<string, VmMoves>> {
    if (vmIds.length === 0) return new Map();
    const rows: ({ vmId: string } & VmMoves)[] = await this.manager.query(
      `SELECT vm_id AS "vmId",
              count(*) FILTER (WHERE status = 'failed' AND trigger = 'maintenance')::int AS failed,
              coalesce((array_agg(error->>'message' ORDER BY seq DESC) FILTER (WHERE status = 'failed'))[1], '')
                AS "lastError",
              coalesce(bool_or(trigger = 'manual' AND status = 'completed'), false) AS "byPeople"
         FROM migration WHERE vm_id = ANY ($1) AND created_at >= $2 GROUP BY vm_id`,
      [vmIds, since],
    );
    return new Map(rows.map(({ vmId, ...moves }) => [vmId, moves]));
  }
}
