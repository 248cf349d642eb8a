import { Column, Entity, ForeignKey, PrimaryGeneratedColumn, Unique } from 'typeorm';
import type { AffinityRule } from '#contracts';
import { Cluster } from './cluster.entity.js';
import { CREATED, EMPTY_TEXT, JSON_VALUE, REAL, TEXT, UUID } from './columns.js';

/** Members that are deleted stay named here, and count for nothing. */
@Entity('affinity_group')
@Unique('affinity_group_name_unique', ['clusterId', 'name'])
export class AffinityGroupRow {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @ForeignKey(() => Cluster, { onDelete: 'CASCADE' })
  @Column(UUID)
  clusterId!: string;

  @Column(TEXT)
  name!: string;

  @Column(EMPTY_TEXT)
  description!: string;

  @Column(REAL)
  priority!: number;

  @Column(JSON_VALUE)
  vmsRule!: AffinityRule;

  @Column(JSON_VALUE)
  hostsRule!: AffinityRule;

  @Column(JSON_VALUE)
  vmIds!: string[];

  @Column(JSON_VALUE)
  vmLabels!: string[];

  @Column(JSON_VALUE)
  hostIds!: string[];

  @Column(JSON_VALUE)
  hostLabels!: string[];

  @Column(CREATED)
  createdAt!: Date;
}
