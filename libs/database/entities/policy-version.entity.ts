import { Column, Entity, PrimaryColumn } from 'typeorm';
import { JSON_VALUE, TEXT, TIME, UUID } from './columns.js';

/** What a cluster's policy, or a migration policy, was from a moment on. It outlives what it is about. */
@Entity('policy_version')
export class PolicyVersion {
  /** Of the cluster, or of the migration policy. */
  @PrimaryColumn(UUID)
  subjectId!: string;

  @PrimaryColumn({ type: 'integer' })
  version!: number;

  @Column(JSON_VALUE)
  policy!: unknown;

  @Column(TEXT)
  changedBy!: string;

  @Column(TIME)
  changedAt!: Date;
}
