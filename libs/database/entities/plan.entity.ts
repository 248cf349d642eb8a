import { Check, Column, Entity, ForeignKey, Generated, Index, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { SchedulingPolicy } from '#contracts';
import { Cluster } from './cluster.entity.js';
import { CREATED, JSON_VALUE, REAL, TEXT, UUID } from './columns.js';

@Entity('plan')
@Check('plan_kind_check', `kind IN ('dry_run', 'applied')`)
export class Plan {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  /** Order of creation; what lists are paged by. */
  @Index({ unique: true })
  @Generated('increment')
  @Column({ type: 'bigint' })
  seq!: string;

  @ForeignKey(() => Cluster, { onDelete: 'CASCADE' })
  @Index()
  @Column(UUID)
  clusterId!: string;

  @Column(TEXT)
  kind!: 'dry_run' | 'applied';

  @Column(JSON_VALUE)
  policy!: SchedulingPolicy;

  @Column(REAL)
  imbalanceBefore!: number;

  @Column(REAL)
  imbalanceAfter!: number;

  @Column(TEXT)
  summary!: string;

  @Column(CREATED)
  createdAt!: Date;
}

@Entity('plan_move')
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
