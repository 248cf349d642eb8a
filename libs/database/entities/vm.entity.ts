import { Check, Column, Entity, ForeignKey, Index, PrimaryGeneratedColumn } from 'typeorm';
import type {
  Architecture,
  Disk,
  GuestReport,
  HypervisorName,
  MigrationPrediction,
  Nic,
  VmPlacement,
  VmStatus,
} from '#contracts';
import type { LoadHistory, PastMove } from '#planner';
import { Cluster } from './cluster.entity.js';
import {
  CREATED,
  EMPTY_TEXT,
  JSON_VALUE,
  REAL,
  TEXT,
  TIME,
  UUID,
  VM_DRIVER,
  VM_PLACEMENT,
  VM_STATUS,
} from './columns.js';
import { Host } from './host.entity.js';
import { MigrationPolicy } from './migration-policy.entity.js';

@Entity('vm')
@Check('vm_status_check', VM_STATUS)
@Check('vm_driver_check', VM_DRIVER)
@Check('vm_epoch_check', 'epoch >= 0 AND epoch <= last_epoch')
@Check('vm_host_check', `(host_id IS NULL) = (status = 'down')`)
@Check('vm_placement_check', VM_PLACEMENT)
@Check('vm_priority_check', 'priority > 0')
@Check('vm_size_check', 'vcpus > 0 AND memory_mib > 0')
export class Vm {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @ForeignKey(() => Cluster)
  @Index()
  @Column(UUID)
  clusterId!: string;

  @Column({ ...TEXT, unique: true })
  name!: string;

  @Column()
  vcpus!: number;

  @Column()
  memoryMiB!: number;

  @Column(TEXT)
  image!: string;

  @Column(EMPTY_TEXT)
  append!: string;

  @Column({ ...JSON_VALUE, default: [] })
  nics!: Nic[];

  @Column({ ...JSON_VALUE, default: [] })
  disks!: Disk[];

  /** Where it was last ordered to run (a trigger follows hostId): that host has its local disks. */
  @Column({ ...UUID, nullable: true })
  diskHostId!: string | null;

  /** It has run (a trigger sees to it): its disks are there, and have content that matters. */
  @Column({ default: false })
  hasDisks!: boolean;

  @Column({ ...TEXT, default: 'drover' })
  hypervisor!: HypervisorName;

  @Column({ ...TEXT, default: 'riscv64' })
  architecture!: Architecture;

  @Column({ ...JSON_VALUE, default: [] })
  labels!: string[];

  @Column({ ...TEXT, default: 'migratable' })
  placement!: VmPlacement;

  /** What its CPU use has been like in this run; null until it has been measured. */
  @Column({ ...JSON_VALUE, nullable: true })
  loadHistory!: LoadHistory | null;

  /** When the history had its last measurement. */
  @Column({ ...TIME, nullable: true })
  loadObservedAt!: Date | null;

  /** Moves by policies that are still remembered. */
  @Column({ ...JSON_VALUE, default: [] })
  recentMoves!: PastMove[];

  /** Where it runs, or is ordered to; null exactly while it is down. */
  @ForeignKey(() => Host)
  @Index()
  @Column({ ...UUID, nullable: true })
  hostId!: string | null;

  @Column({ ...TEXT, default: 'down' })
  status!: VmStatus;

  @Column(CREATED)
  statusSince!: Date;

  @Column(EMPTY_TEXT)
  statusReason!: string;

  /** The copy that owns the VM. Only grows (a trigger sees to it). */
  @Column({ type: 'integer', default: 0 })
  epoch!: number;

  /** The highest epoch ever given to a copy, so that no two attempts share one. Only grows. */
  @Column({ type: 'integer', default: 0 })
  lastEpoch!: number;

  @Column({ ...REAL, nullable: true })
  cpuUsedCores!: number | null;

  @Column({ ...REAL, nullable: true })
  cpuSmoothedCores!: number | null;

  @Column({ ...REAL, nullable: true })
  memoryUsedMiB!: number | null;

  @Column({ ...REAL, nullable: true })
  dirtyRateMiBps!: number | null;

  /** Sent or received by its network cards, whichever is more; null: not known. */
  @Column({ ...REAL, nullable: true })
  networkUsedMiBps!: number | null;

  /** The same, smoothed: what policies act on. */
  @Column({ ...REAL, nullable: true })
  networkSmoothedMiBps!: number | null;

  @Column(EMPTY_TEXT)
  consoleTail!: string;

  /** As it said last of itself in this run. */
  @Column({ ...JSON_VALUE, nullable: true })
  guest!: GuestReport | null;

  @Column({ type: 'integer', nullable: true })
  exitCode!: number | null;

  @ForeignKey(() => MigrationPolicy)
  @Column({ ...UUID, nullable: true })
  migrationPolicyId!: string | null;

  /** What a move would take, as was found when somebody last asked. */
  @Column({ ...JSON_VALUE, nullable: true })
  migrationPrediction!: MigrationPrediction | null;

  /** Of two VMs on a host that is emptied the one with the higher priority leaves first. */
  @Column({ type: 'integer', default: 1 })
  priority!: number;

  /** Started elsewhere when its host has lost its power. */
  @Column({ default: false })
  highAvailability!: boolean;

  /** When it went down with its host; null: it did not, or has been started since. */
  @Column({ ...TIME, nullable: true })
  lostAt!: Date | null;

  /** Why its last migration found that it cannot be migrated. */
  @Column({ ...TEXT, nullable: true })
  migrationObstacle!: string | null;

  @Column({ type: 'integer', default: 0 })
  migrationCount!: number;

  @Column({ ...TIME, nullable: true })
  cooldownUntil!: Date | null;

  @Column(CREATED)
  createdAt!: Date;

  @Column({ ...TIME, nullable: true })
  startedAt!: Date | null;
}
