import { Check, Column, Entity, ForeignKey, Index, PrimaryGeneratedColumn } from 'typeorm';
import type {
  CheckpointReport,
  HostDriver,
  HostHealth,
  HostStatus,
  IsolationMeasure,
  Pressure,
  StorageRoom,
} from '#contracts';
import { Cluster } from './cluster.entity.js';
import { CREATED, EMPTY_TEXT, HOST_STATUS, JSON_VALUE, REAL, TEXT, TIME, UUID } from './columns.js';

@Entity('host')
@Check('host_status_check', HOST_STATUS)
export class Host {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @ForeignKey(() => Cluster)
  @Index()
  @Column(UUID)
  clusterId!: string;

  @Column({ ...TEXT, unique: true })
  name!: string;

  @Column({ ...JSON_VALUE, default: [] })
  labels!: string[];

  @Column({ ...TEXT, default: 'installing' })
  status!: HostStatus;

  @Column(CREATED)
  statusSince!: Date;

  @Column(EMPTY_TEXT)
  statusReason!: string;

  /** While non_responsive: the status that it goes back to when it answers again. */
  @Column({ ...TEXT, nullable: true })
  statusBeforeLoss!: HostStatus | null;

  /** Why an administrator wants it empty; kept apart from what keeps it from being empty. */
  @Column(EMPTY_TEXT)
  maintenanceReason!: string;

  @Column({ ...REAL, nullable: true })
  cpuCores!: number | null;

  @Column({ type: 'integer', nullable: true })
  memoryMiB!: number | null;

  /** What its link carries, one direction; null = not known. */
  @Column({ ...REAL, nullable: true })
  linkMiBps!: number | null;

  @Column({ ...REAL, nullable: true })
  cpuUsedCores!: number | null;

  /** cpuUsedCores, smoothed: what policies act on. */
  @Column({ ...REAL, nullable: true })
  cpuSmoothedCores!: number | null;

  /** Since when cpuSmoothedCores has been above the policy's HighUtilization without a break. */
  @Column({ ...TIME, nullable: true })
  overUtilizedSince!: Date | null;

  @Column({ ...JSON_VALUE, nullable: true })
  pressure!: Pressure | null;

  /** As its agent has told last, and what the controller has seen itself. */
  @Column({ ...JSON_VALUE, nullable: true })
  health!: HostHealth | null;

  @Column({ ...TIME, nullable: true })
  healthAt!: Date | null;

  /** Its agent is to look again. */
  @Column({ default: false })
  healthWanted!: boolean;

  /** As its agent found it when it started. */
  @Column({ ...JSON_VALUE, nullable: true })
  isolation!: IsolationMeasure[] | null;

  /** What VMs may run on; empty until its agent has told. */
  @Column({ ...JSON_VALUE, default: [] })
  drivers!: HostDriver[];

  /** Names of its devices that guests may have. */
  @Column({ ...JSON_VALUE, default: [] })
  hostDevices!: string[];

  /** What is free in its folders of local storage domains, as its agent told last. */
  @Column({ ...JSON_VALUE, default: [] })
  storage!: StorageRoom[];

  /** Memory of VMs that left it, as its agent told last. */
  @Column({ ...JSON_VALUE, default: [] })
  checkpoints!: CheckpointReport[];

  @Column({ ...TEXT, nullable: true })
  agentUrl!: string | null;

  @Column({ ...TEXT, nullable: true })
  agentVersion!: string | null;

  /** HOST:PORT at which its switch waits for those of other hosts. */
  @Column({ ...TEXT, nullable: true })
  tunnelAddress!: string | null;

  @Column({ ...TIME, nullable: true })
  lastHeartbeatAt!: Date | null;

  /** When the newest heartbeat was sent, by the host's own clock. */
  @Column({ ...TIME, nullable: true })
  heartbeatSentAt!: Date | null;

  @Column(CREATED)
  createdAt!: Date;
}
