import { Check, Column, Entity, ForeignKey, PrimaryGeneratedColumn } from 'typeorm';
import {
  DEFAULT_FENCING,
  type FencingPolicy,
  type PlanMode,
  type PolicySchedule,
  type SchedulingPolicy,
} from '#contracts';
import { CREATED, EMPTY_TEXT, JSON_VALUE, PLAN_MODE, TEXT, UUID } from './columns.js';
import { MigrationPolicy } from './migration-policy.entity.js';

@Entity('cluster')
@Check('cluster_checkpoint_limit_mib_check', 'checkpoint_limit_mib >= 0')
@Check('cluster_cooldown_seconds_check', 'cooldown_seconds >= 0')
@Check('cluster_ha_reservation_check', 'ha_reservation >= 0')
@Check('cluster_max_migrations_per_host_check', 'max_migrations_per_host > 0')
@Check('cluster_plan_mode_check', PLAN_MODE)
export class Cluster {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column({ ...TEXT, unique: true })
  name!: string;

  @Column(EMPTY_TEXT)
  description!: string;

  @Column(JSON_VALUE)
  schedulingPolicy!: SchedulingPolicy;

  @Column({ ...JSON_VALUE, nullable: true })
  policySchedule!: PolicySchedule | null;

  /** The window that was open when the policy loop looked last. */
  @Column({ type: 'integer', nullable: true })
  openWindow!: number | null;

  @Column({ ...TEXT, default: 'automatic' })
  planMode!: PlanMode;

  @ForeignKey(() => MigrationPolicy)
  @Column(UUID)
  migrationPolicyId!: string;

  @Column()
  cooldownSeconds!: number;

  @Column()
  maxMigrationsPerHost!: number;

  @Column({ default: 0 })
  haReservation!: number;

  /** Of each host, for the memory of VMs that left it; 0: none is kept. */
  @Column({ default: 4096 })
  checkpointLimitMiB!: number;

  @Column({ ...JSON_VALUE, default: DEFAULT_FENCING })
  fencing!: FencingPolicy;

  @Column(CREATED)
  createdAt!: Date;
}
