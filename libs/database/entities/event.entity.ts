import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import type { Severity } from '#contracts';
import { SEVERITY, TEXT, TIME, UUID } from './columns.js';

/** What happened; refers to things that may be gone by now. */
@Entity('event')
@Check('event_severity_check', SEVERITY)
export class Event {
  @PrimaryGeneratedColumn('increment', { type: 'bigint' })
  id!: string;

  @Index()
  @Column(TIME)
  at!: Date;

  @Column(TEXT)
  severity!: Severity;

  @Column(TEXT)
  type!: string;

  @Column(TEXT)
  message!: string;

  @Column({ ...UUID, nullable: true })
  clusterId!: string | null;

  @Index()
  @Column({ ...UUID, nullable: true })
  hostId!: string | null;

  @Index()
  @Column({ ...UUID, nullable: true })
  vmId!: string | null;

  @Index()
  @Column({ ...UUID, nullable: true })
  migrationId!: string | null;

  @Column({ ...UUID, nullable: true })
  planId!: string | null;
}
