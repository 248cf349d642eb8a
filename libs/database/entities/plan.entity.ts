import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import type {
  MoveCost,
  MoveKind,
  MoveState,
  PlannedHostAction,
  PlanStatus,
  PlanView,
  SchedulingPolicy,
} from '#contracts';
import { Cluster } from './cluster.entity.js';
import {
  CREATED,
  EMPTY_TEXT,
  JSON_VALUE,
  MOVE_KIND,
  MOVE_STATE,
  PLAN_STATUS,
  REAL,
  TEXT,
  TIME,
  UUID,
} from './columns.js';
import { Sequential } from './sequential.js';

@Entity('plan')
@Check('plan_kind_check', `kind IN ('dry_run', 'proposed', 'applied')`)
@Check('plan_status_check', PLAN_STATUS)
export class Plan extends Sequential {
  @ForeignKey(() => Cluster, { onDelete: 'CASCADE' })
  @Index()
  @Column(UUID)
  clusterId!: string;

  @Column(TEXT)
  kind!: PlanView['kind'];

  /** Null: a dry run. */
  @Column({ ...TEXT, nullable: true })
  status!: PlanStatus | null;

  @Column(EMPTY_TEXT)
  statusReason!: string;

  @Column(JSON_VALUE)
  policy!: SchedulingPolicy;

  @Column(REAL)
  imbalanceBefore!: number;

  @Column(REAL)
  imbalanceAfter!: number;

  @Column({ ...JSON_VALUE, default: [] })
  hostActions!: PlannedHostAction[];

  @Column(TEXT)
  summary!: string;

  @Column(CREATED)
  createdAt!: Date;

  @Column({ ...TIME, nullable: true })
  endedAt!: Date | null;
}

@Entity('plan_move')
@Check('plan_move_kind_check', MOVE_KIND)
@Check('plan_move_state_check', MOVE_STATE)
export class PlanMove {
  @ForeignKey(() => Plan, { onDelete: 'CASCADE' })
  @PrimaryColumn(UUID)
  planId!: string;

  @PrimaryColumn()
  position!: number;

  @Column(UUID)
  vmId!: string;

  @Column(TEXT)
  vmName!: string;

  @Column(UUID)
  sourceHostId!: string;

  @Column(TEXT)
  sourceHostName!: string;

  @Column(UUID)
  destinationHostId!: string;

  @Column(TEXT)
  destinationHostName!: string;

  @Column(TEXT)
  reason!: string;

  @Column(REAL)
  gain!: number;

  @Column(TEXT)
  kind!: MoveKind;

  @Column({ ...REAL, nullable: true })
  benefit!: number | null;

  @Column({ ...JSON_VALUE, nullable: true })
  cost!: MoveCost | null;

  /** Positions of the plan's moves that must have arrived before this one starts. */
  @Column({ ...JSON_VALUE, default: [] })
  waitsFor!: number[];

  @Column(TEXT)
  state!: MoveState;

  @Column(EMPTY_TEXT)
  stateReason!: string;

  @Column({ ...TEXT, nullable: true })
  decidedBy!: string | null;

  @Column({ ...UUID, nullable: true })
  migrationId!: string | null;
}

@Entity('plan_refusal')
export class PlanRefusal {
  @ForeignKey(() => Plan, { onDelete: 'CASCADE' })
  @PrimaryColumn(UUID)
  planId!: string;

  @PrimaryColumn()
  position!: number;

  @Column({ ...UUID, nullable: true })
  vmId!: string | null;

  @Column({ ...TEXT, nullable: true })
  vmName!: string | null;

  @Column({ ...UUID, nullable: true })
  hostId!: string | null;

  @Column({ ...TEXT, nullable: true })
  hostName!: string | null;

  @Column(TEXT)
  reason!: string;
}
