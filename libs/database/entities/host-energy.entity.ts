import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { REAL, TEXT, UUID } from './columns.js';

/** What a host has drawn on one day (UTC), and what it has not because a policy had switched it off. Outlives the host. */
@Entity('host_energy')
export class HostEnergy {
  @PrimaryColumn(UUID)
  hostId!: string;

  @Index()
  @PrimaryColumn('date')
  day!: string;

  @Column(UUID)
  clusterId!: string;

  @Column(TEXT)
  hostName!: string;

  @Column(REAL)
  usedJoules!: number;

  @Column(REAL)
  savedJoules!: number;

  /** Of usedJoules: what the BMC has measured; the rest follows the power curve. */
  @Column(REAL)
  measuredJoules!: number;

  @Column(REAL)
  onSeconds!: number;

  @Column(REAL)
  offSeconds!: number;
}
