import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { Cluster } from './cluster.entity.js';
import { REAL, TIME, UUID } from './columns.js';

/** What all VMs of a cluster used in five minutes: what its load is forecast from. */
@Entity('cluster_load')
export class ClusterLoad {
  @ForeignKey(() => Cluster, { onDelete: 'CASCADE' })
  @PrimaryColumn(UUID)
  clusterId!: string;

  @PrimaryColumn(TIME)
  slot!: Date;

  /** Mean of the samples. */
  @Column(REAL)
  cores!: number;

  @Column()
  samples!: number;
}
