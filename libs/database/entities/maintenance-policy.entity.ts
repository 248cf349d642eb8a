import { Column, Entity, ForeignKey, PrimaryColumn, PrimaryGeneratedColumn, Unique } from 'typeorm';
import type { CreateMaintenancePolicy } from '#contracts';
import { Cluster } from './cluster.entity.js';
import { CREATED, JSON_VALUE, TEXT, TIME, UUID } from './columns.js';

/** All that a policy says besides whose it is, what it is called, and whether it holds. */
export type MaintenanceDefinition = Omit<CreateMaintenancePolicy, 'clusterId' | 'name' | 'enabled'>;

@Entity('maintenance_policy')
@Unique('maintenance_policy_name_unique', ['clusterId', 'name'])
export class MaintenancePolicy {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @ForeignKey(() => Cluster, { onDelete: 'CASCADE' })
  @Column(UUID)
  clusterId!: string;

  @Column(TEXT)
  name!: string;

  @Column()
  enabled!: boolean;

  /** Grows with each change. */
  @Column()
  version!: number;

  @Column(JSON_VALUE)
  definition!: MaintenanceDefinition;

  @Column(CREATED)
  createdAt!: Date;
}

/** A policy as it was, and who made it so. */
@Entity('maintenance_policy_version')
export class MaintenancePolicyVersionRow {
  @ForeignKey(() => MaintenancePolicy, { onDelete: 'CASCADE' })
  @PrimaryColumn(UUID)
  policyId!: string;

  @PrimaryColumn()
  version!: number;

  @Column(TIME)
  changedAt!: Date;

  @Column(TEXT)
  changedBy!: string;

  @Column(JSON_VALUE)
  policy!: CreateMaintenancePolicy;
}
