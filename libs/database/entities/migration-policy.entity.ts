import { Check, Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { Convergence, MigrationEncryption } from '#contracts';
import { CREATED, EMPTY_TEXT, JSON_VALUE, MIGRATION_ENCRYPTION, REAL, SHARE, TEXT } from './columns.js';

@Entity('migration_policy')
@Check('migration_policy_downtime_limit_ms_check', 'downtime_limit_ms > 0')
@Check('migration_policy_bandwidth_mibps_check', 'bandwidth_mibps > 0')
@Check('migration_policy_timeout_seconds_check', 'timeout_seconds > 0')
@Check('migration_policy_encryption_check', MIGRATION_ENCRYPTION)
@Check('migration_policy_bandwidth_share_percent_check', 'bandwidth_share_percent BETWEEN 1 AND 100')
export class MigrationPolicy {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column({ ...TEXT, unique: true })
  name!: string;

  @Column(EMPTY_TEXT)
  description!: string;

  @Column()
  downtimeLimitMs!: number;

  /** null = no limit. */
  @Column({ ...REAL, nullable: true })
  bandwidthMiBps!: number | null;

  @Column()
  timeoutSeconds!: number;

  @Column(JSON_VALUE)
  convergence!: Convergence;

  /** Whether hosts that a VM leaves may keep its memory. */
  @Column({ default: true })
  keepCheckpoints!: boolean;

  @Column({ ...TEXT, default: 'auto' })
  encryption!: MigrationEncryption;

  @Column({ default: false })
  tunnelled!: boolean;

  @Column(SHARE)
  bandwidthSharePercent!: number | null;

  @Column(CREATED)
  createdAt!: Date;
}
