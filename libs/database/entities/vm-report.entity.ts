import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import type { VmReport } from '#contracts';
import { EMPTY_TEXT, TEXT, TIME, UUID } from './columns.js';
import { Host } from './host.entity.js';

/**
 * What a host last said about a copy of a VM. News, not truth: the reconciler compares it with the VM's row. A copy that
 * its host no longer mentions keeps its last report until its absence has been acted upon.
 */
@Entity('vm_report')
export class VmReportRow {
  @ForeignKey(() => Host, { onDelete: 'CASCADE' })
  @PrimaryColumn(UUID)
  hostId!: string;

  /** Not a foreign key: a host may run a VM that was deleted. */
  @Index()
  @PrimaryColumn(UUID)
  vmId!: string;

  @Column()
  epoch!: number;

  @Column(TEXT)
  status!: VmReport['status'];

  @Column({ type: 'integer', nullable: true })
  exitCode!: number | null;

  @Column(EMPTY_TEXT)
  message!: string;

  /** Since when it has reported this status in this epoch. */
  @Column(TIME)
  since!: Date;

  @Column(TIME)
  seenAt!: Date;
}
