import { Check, Column, Entity, ForeignKey, Index } from 'typeorm';
import type {
  CommandReport,
  MaintenancePhase,
  MaintenanceProcedure,
  MaintenanceRunView,
  MaintenanceVm,
  RunTrigger,
} from '#contracts';
import { Cluster } from './cluster.entity.js';
import { CREATED, EMPTY_TEXT, JSON_VALUE, MAINTENANCE_PHASE, TEXT, TIME, UUID } from './columns.js';
import { Sequential } from './sequential.js';

/** One host's way into maintenance and out of it; it keeps the names, and outlives host and policy. */
@Entity('maintenance_run')
@Check('maintenance_run_phase_check', MAINTENANCE_PHASE)
@Check('maintenance_run_ends_as_check', `ends_as IN ('done', 'cancelled')`)
@Index('maintenance_run_one_active', ['hostId'], {
  unique: true,
  where: `phase NOT IN ('done', 'failed', 'skipped', 'cancelled')`,
})
export class MaintenanceRun extends Sequential {
  @ForeignKey(() => Cluster, { onDelete: 'CASCADE' })
  @Index()
  @Column(UUID)
  clusterId!: string;

  @Column(UUID)
  hostId!: string;

  @Column(TEXT)
  hostName!: string;

  @Column({ ...UUID, nullable: true })
  policyId!: string | null;

  @Column({ ...TEXT, nullable: true })
  policyName!: string | null;

  @Column({ type: 'integer', nullable: true })
  policyVersion!: number | null;

  @Column(TEXT)
  trigger!: RunTrigger;

  @Column(TEXT)
  reason!: string;

  @Index()
  @Column(UUID)
  rolloutId!: string;

  @Column()
  groupNumber!: number;

  @Column()
  hostsAtOnce!: number;

  @Column(TEXT)
  phase!: MaintenancePhase;

  @Column(TIME)
  phaseSince!: Date;

  @Column(EMPTY_TEXT)
  phaseReason!: string;

  /** Since when its VMs have kept it from its turn. */
  @Column({ ...TIME, nullable: true })
  heldSince!: Date | null;

  @Column({ ...TEXT, nullable: true })
  phaseBeforePause!: MaintenancePhase | null;

  @Column()
  waitsForWindow!: boolean;

  @Column({ ...TIME, nullable: true })
  windowStartsAt!: Date | null;

  @Column({ ...TIME, nullable: true })
  windowEndsAt!: Date | null;

  @Column(JSON_VALUE)
  procedure!: MaintenanceProcedure;

  @Column({ ...JSON_VALUE, default: [] })
  vms!: MaintenanceVm[];

  @Column({ ...JSON_VALUE, nullable: true })
  command!: Omit<CommandReport, 'runId'> | null;

  @Column({ ...TEXT, default: 'done' })
  endsAs!: 'done' | 'cancelled';

  @Column({ ...JSON_VALUE, default: [] })
  timeline!: MaintenanceRunView['timeline'];

  @Column(CREATED)
  createdAt!: Date;

  @Column({ ...TIME, nullable: true })
  startedAt!: Date | null;

  @Column({ ...TIME, nullable: true })
  endedAt!: Date | null;
}
