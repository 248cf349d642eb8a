/** What can be seen at the source of one migration: the VM, its process, its disks; figures go into the report. */
import { checkpointState } from './checkpoint-departure.js';
import type { DepartureMeans } from './departure-means.js';
import type { DeparturePorts } from './departure-ports.js';
import { copiedDisks, type DiskState, diskState } from './disk-departure.js';
import { attemptId } from './migration-record.js';
import type { Facts, SourceMigration } from './next-step.js';
import type { RecordFile } from './record-file.js';
import { sourceMigration, withDisks, withFigures } from './report.js';
import type { Wakeup } from './wakeup.js';

const UNKNOWN: SourceMigration = { status: 'unknown' };
const COPYING: DiskState = { status: 'running' };

export class DepartureWatch {
  /** When the source's process was seen to have let go of the VM. */
  letGoAtMs: number | null = null;

  constructor(
    private readonly record: RecordFile,
    private readonly ports: Pick<DeparturePorts, 'vms' | 'transfers' | 'converger' | 'log'>,
    private readonly wakeup: Wakeup,
    private readonly means: DepartureMeans,
  ) {}

  async look(): Promise<Facts['source']> {
    const { vms, transfers } = this.ports;
    const record = this.record.now;
    const { migrationId, vmId, order, phase } = record;
    const isMine = transfers.mayLeave(vmId, order.sourceEpoch, migrationId);
    const isAlive = isMine && vms.record(vmId)?.end === null;
    const isAsked = isAlive && ['perform', 'postcopy', 'abort'].includes(phase);
    const migration = isAsked ? await this.lookAtMigration() : UNKNOWN;
    const disks = isAsked && phase === 'perform' ? await this.lookAtDisks() : COPYING;
    const checkpoint = phase === 'confirm' ? await checkpointState(record, vms.process(vmId)) : 'over';
    return { isAlive, isMine, migration, disks, checkpoint };
  }

  /** Asks the source's process, and keeps its figures for the report. */
  private async lookAtMigration(): Promise<SourceMigration> {
    const record = this.record.now;
    const { migrationId, vmId } = record;
    const process = this.ports.vms.process(vmId);
    if (!process) return UNKNOWN; // it runs, but has not answered since this agent began
    process.onMigration(this.wakeup.ring);
    try {
      const figures = await process.queryMigration();
      const migration = sourceMigration(figures, attemptId(record));
      if (migration.status === 'completed') this.letGoAtMs ??= performance.now();
      if (!figures || migration.status === 'none') return migration;
      const facts = await this.ports.converger.look(record, process, figures);
      const { report, paused } = this.record.now;
      this.record.remember({ report: { ...withFigures(report, figures), facts } });
      if (migration.status === 'postcopy' && paused) this.record.update({ paused: null });
      if (migration.status === 'active') await this.means.decideAlone();
      return migration;
    } catch (error) {
      this.ports.log.debug({ migrationId, vmId }, (error as Error).message);
      return UNKNOWN;
    }
  }

  private async lookAtDisks(): Promise<DiskState> {
    const record = this.record.now;
    const { migrationId, vmId, order, mirroring } = record;
    const process = this.ports.vms.process(vmId);
    if (copiedDisks(record).length === 0 || !mirroring) return diskState(record, []);
    if (!process) return COPYING;
    try {
      const mirrors = await process.queryMirrors();
      const now = this.record.now; // somebody may have cancelled it meanwhile
      // Those that have ended with the switchover tell nothing any more.
      if (mirrors.length > 0) this.record.remember({ report: withDisks(now.report, order.spec.memoryMiB, mirrors) });
      return diskState(now, mirrors);
    } catch (error) {
      this.ports.log.debug({ migrationId, vmId }, (error as Error).message);
      return COPYING;
    }
  }
}
