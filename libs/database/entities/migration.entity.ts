import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type {
  Convergence,
  DowntimeBreakdown,
  MigrationDecision,
  MigrationEncryption,
  MigrationError,
  MigrationLogLine,
  MigrationProgress,
  MigrationStatus,
  MigrationTrigger,
  MigrationVersions,
} from '#contracts';
import {
  CREATED,
  JSON_VALUE,
  MIGRATION_ENCRYPTION,
  MIGRATION_STATUS,
  MIGRATION_TRIGGER,
  REAL,
  SHARE,
  TEXT,
  TIME,
  UUID,
} from './columns.js';
import { Sequential } from './sequential.js';

/** History: it keeps the names, and outlives the VM and the hosts that it tells of. */
@Entity('migration')
@Check('migration_status_check', MIGRATION_STATUS)
@Check('migration_trigger_check', MIGRATION_TRIGGER)
@Check('migration_epoch_check', 'epoch > source_epoch')
@Check('migration_encryption_check', MIGRATION_ENCRYPTION)
@Check('migration_bandwidth_share_percent_check', 'bandwidth_share_percent BETWEEN 1 AND 100')
@Index('migration_one_active', ['vmId'], {
  unique: true,
  where: `status NOT IN ('completed', 'failed', 'cancelled')`,
})
export class Migration extends Sequential {
  @Column(UUID)
  clusterId!: string;

  @Index()
  @Column(UUID)
  vmId!: string;

  @Column(TEXT)
  vmName!: string;

  @Column()
  ordinal!: number;

  @Index()
  @Column(UUID)
  sourceHostId!: string;

  @Column(TEXT)
  sourceHostName!: string;

  @Index()
  @Column(UUID)
  destinationHostId!: string;

  @Column(TEXT)
  destinationHostName!: string;

  @Column(TEXT)
  status!: MigrationStatus;

  @Column(CREATED)
  statusSince!: Date;

  @Column(TEXT)
  trigger!: MigrationTrigger;

  @Column(TEXT)
  reason!: string;

  @Column({ ...UUID, nullable: true })
  planId!: string | null;

  /** Epoch of the copy that leaves, and of the one that arrives. */
  @Column()
  sourceEpoch!: number;

  @Column()
  epoch!: number;

  @Column()
  downtimeLimitMs!: number;

  @Column({ ...REAL, nullable: true })
  bandwidthMiBps!: number | null;

  @Column()
  timeoutSeconds!: number;

  /** As its policy said when it began. */
  @Column(JSON_VALUE)
  convergence!: Convergence;

  /** What the source may keep of the memory of VMs that left, this one's among it; 0: not this one's. */
  @Column({ default: 0 })
  checkpointLimitMiB!: number;

  @Column({ ...TEXT, default: 'auto' })
  encryption!: MigrationEncryption;

  @Column({ default: false })
  tunnelled!: boolean;

  @Column(SHARE)
  bandwidthSharePercent!: number | null;

  /** What was done about it, as its source told last. */
  @Column({ ...JSON_VALUE, default: [] })
  decisions!: MigrationDecision[];

  @Column({ ...JSON_VALUE, nullable: true })
  versions!: MigrationVersions | null;

  /** Of source and destination, told with the end; long, and read for one migration alone. */
  @Column({ ...JSON_VALUE, default: [], select: false })
  log?: MigrationLogLine[];

  @Column({ ...JSON_VALUE, nullable: true })
  progress!: MigrationProgress | null;

  @Column({ ...REAL, nullable: true })
  downtimeMs!: number | null;

  @Column({ ...REAL, nullable: true })
  totalMs!: number | null;

  @Column({ ...JSON_VALUE, nullable: true })
  downtimeBreakdown!: DowntimeBreakdown | null;

  @Column({ ...JSON_VALUE, nullable: true })
  error!: MigrationError | null;

  /** When the source's agent last spoke of it; null = not yet. */
  @Column({ ...TIME, nullable: true })
  reportedAt!: Date | null;

  @Column(CREATED)
  createdAt!: Date;

  @Column({ ...TIME, nullable: true })
  startedAt!: Date | null;

  @Column({ ...TIME, nullable: true })
  endedAt!: Date | null;
}

/** One pass over the dirty log. */
@Entity('migration_iteration')
export class MigrationIteration {
  @ForeignKey(() => Migration, { onDelete: 'CASCADE' })
  @PrimaryColumn(UUID)
  migrationId!: string;

  @PrimaryColumn()
  iteration!: number;

  @Column()
  pages!: number;

  @Column()
  zeroPages!: number;

  /** A double holds every byte count up to 2^53. */
  @Column(REAL)
  bytes!: number;

  @Column(REAL)
  durationMs!: number;

  @Column(REAL)
  bandwidthMiBps!: number;

  @Column(REAL)
  dirtyRateMiBps!: number;

  @Column(REAL)
  remainingBytes!: number;

  @Column({ ...REAL, nullable: true })
  expectedDowntimeMs!: number | null;
}

/** When it entered which status. */
@Entity('migration_timeline')
export class MigrationTimeline {
  @PrimaryGeneratedColumn('increment', { type: 'bigint' })
  id!: string;

  @ForeignKey(() => Migration, { onDelete: 'CASCADE' })
  @Index()
  @Column(UUID)
  migrationId!: string;

  @Column(TIME)
  at!: Date;

  @Column(TEXT)
  status!: MigrationStatus;

  @Column(TEXT)
  message!: string;
}
