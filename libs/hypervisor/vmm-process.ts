/** A process of Drover's own VMM: what it says beyond QEMU's protocol. */
import { dirname } from 'node:path';
import { checkpointFile } from './checkpoint-file.js';
import type { CheckpointFigures, DiskExport, IncomingFigures, MigrateOptions } from './hypervisor.js';
import { addExports, jobId, startNbdServer } from './mirrors.js';
import { DirtyRateMeter } from './dirty-rate-meter.js';
import { incomingFigures } from './query-migrate.js';
import type { MeansWanted } from './migration-means.js';
import { QmpVmProcess } from './qmp-process.js';
import type { TlsCredentials } from './tls-credentials.js';

interface Stats {
  readonly 'dirtied-pages': number;
  /** Processes of earlier versions do not tell. */
  readonly 'time-ms'?: number;
}

interface QueryCheckpoint {
  readonly status: CheckpointFigures['status'];
  readonly bytes?: number;
  readonly 'error-desc'?: string;
}

export class VmmProcess extends QmpVmProcess {
  protected readonly hasPowerButton = false;
  private readonly dirtyRate = new DirtyRateMeter();

  async dirtyRateMiBps(): Promise<number | null> {
    const { 'dirtied-pages': pages, 'time-ms': atMs = performance.now() } = await this.execute<Stats>('x-drover-stats');
    return this.dirtyRate.note({ pages, atMs });
  }

  async migrate({ uri, migrationId, epoch, tls, mirroredDisks = [], means, ...limits }: MigrateOptions): Promise<void> {
    await this.prepareMeans(means);
    await this.setMigrationLimits(limits);
    await this.encrypt('client', tls, tls?.peer);
    const identity = { 'x-drover-migration-id': migrationId, 'x-drover-epoch': epoch };
    await this.execute('migrate', { uri, ...identity, 'x-drover-block-jobs': mirroredDisks.map(jobId) });
  }

  async exportDisks(address: string, exports: readonly DiskExport[], tls: TlsCredentials | null): Promise<number> {
    await startNbdServer(this.command, address, 0, tls && (await this.diskCredentials('server', tls)));
    await addExports(this.command, exports, { 'x-drover-unlisted': true });
    return Number((await this.execute<{ port: string }>('x-drover-query-nbd-server')).port);
  }

  async listen(
    address: string,
    epoch: number,
    tls: TlsCredentials | null,
    means?: MeansWanted,
    checkpoint: string | null = null,
  ): Promise<number> {
    await this.prepareMeans(means);
    await this.encrypt('server', tls);
    const known = { 'x-drover-epoch': epoch - 1, ...(checkpoint !== null && { 'x-drover-checkpoint': checkpoint }) };
    await this.execute('migrate-incoming', { uri: `tcp:${address}:0`, ...known });
    return this.listeningPort();
  }

  async saveCheckpoint(maxBytes: number): Promise<void> {
    await this.execute('x-drover-save-checkpoint', {
      path: checkpointFile(dirname(this.handle.consoleLog)),
      'max-size': maxBytes,
    });
  }

  async queryCheckpoint(): Promise<CheckpointFigures> {
    const answer = await this.execute<QueryCheckpoint>('x-drover-query-checkpoint');
    return { status: answer.status, bytes: answer.bytes ?? 0, message: answer['error-desc'] ?? '' };
  }

  async queryIncoming(): Promise<IncomingFigures> {
    return incomingFigures(await this.runState(), await this.queryMigrate());
  }

  async finishIncoming(): Promise<void> {
    await this.execute('x-drover-migrate-finish');
  }
}
