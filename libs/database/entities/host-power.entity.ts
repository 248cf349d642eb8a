import { Column, Entity, ForeignKey, Index, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { PowerManagement, PowerOperation } from '#contracts';
import type { WattsSamples } from '#planner';
import { Host } from './host.entity.js';
import { CREATED, JSON_VALUE, REAL, TIME, UUID } from './columns.js';

/** How a host is switched on and off, what is being done about it, and what it draws. */
@Entity('host_power')
export class HostPower {
  @ForeignKey(() => Host, { onDelete: 'CASCADE' })
  @PrimaryColumn(UUID)
  hostId!: string;

  @Column({ ...JSON_VALUE, nullable: true })
  management!: PowerManagement | null;

  /** AES-256-GCM: nonce, tag, ciphertext. */
  @Column({ type: 'bytea', nullable: true })
  passwordEncrypted!: Buffer | null;

  /** When it last came back after it had been switched off; null: never, or not by this management. */
  @Column({ ...TIME, nullable: true })
  provenAt!: Date | null;

  /** From the order to the first heartbeat, as measured last. */
  @Column({ ...REAL, nullable: true })
  bootSeconds!: number | null;

  /** In maintenance or off because a policy wanted it so. */
  @Column({ default: false })
  isParked!: boolean;

  /** Since when it has been on, or off. */
  @Column(CREATED)
  powerSince!: Date;

  /** When its power was last cut because it was lost, and was seen to be off. */
  @Column({ ...TIME, nullable: true })
  fencedAt!: Date | null;

  @Column({ ...JSON_VALUE, nullable: true })
  operation!: PowerOperation | null;

  /** As people have given it. */
  @Column({ ...JSON_VALUE, nullable: true })
  wattsAt!: number[] | null;

  /** What the BMC has measured, by utilisation. */
  @Column({ ...JSON_VALUE, nullable: true })
  wattsSamples!: WattsSamples | null;

  @Column({ ...REAL, default: 0 })
  offWatts!: number;

  /** As the BMC told last. */
  @Column({ ...REAL, nullable: true })
  measuredWatts!: number | null;

  @Column({ ...TIME, nullable: true })
  measuredAt!: Date | null;

  /** Until when its energy has been counted. */
  @Column({ ...TIME, nullable: true })
  accountedAt!: Date | null;

  @Column({ type: 'date', nullable: true })
  inServiceSince!: string | null;
}

/** How long a host took once, from the order to its first heartbeat. */
@Entity('host_boot')
export class HostBoot {
  @PrimaryGeneratedColumn({ type: 'bigint' })
  id!: string;

  @ForeignKey(() => Host, { onDelete: 'CASCADE' })
  @Index()
  @Column(UUID)
  hostId!: string;

  @Column(TIME)
  at!: Date;

  @Column(REAL)
  seconds!: number;
}
