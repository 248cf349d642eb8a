/**
 * A QEMU process. It knows neither epochs nor a guest that is loaded and waits for its commit, so both are made of what it
 * has: the return path, by which a source's `completed` means that the destination has loaded everything; and -S, by
 * which the destination then stays paused until it is told to go on. Whoever tells it must know that the source will
 * never run the guest again.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { QmpCommandError, type QmpClient } from '#qmp';
import type {
  CheckpointFigures,
  DiskExport,
  IncomingFigures,
  MigrateOptions,
  OutgoingFigures,
  VmHandle,
} from './hypervisor.js';
import { addExports, completeMirrors, startNbdServer } from './mirrors.js';
import { PassLog } from './qemu-passes.js';
import { outgoingFigures, qemuIncomingFigures } from './query-migrate.js';
import type { MeansOfProcess, MeansWanted } from './migration-means.js';
import type { QemuArchitecture } from './qemu-machines.js';
import { writeTimers } from './qemu-timers.js';
import { type Exit, QmpVmProcess } from './qmp-process.js';
import { mayUseUserfault } from './userfault.js';
import type { TlsCredentials } from './tls-credentials.js';

/** A QEMU that leaves, and one that waits: disks are the source's until the guest goes on at the destination. */
const SOURCE_CAPABILITIES = ['events', 'return-path'];
const DESTINATION_CAPABILITIES = ['events', 'late-block-activate'];

/** The source waits with its guest stopped, until its disks are copied to the end. */
const PAUSE_CAPABILITY = 'pause-before-switchover';

/** What a migration is prepared with when it begins. */
const MEANS_CAPABILITIES = ['multifd', 'compress', 'xbzrle', 'auto-converge', 'postcopy-ram'];

/** Where QEMU keeps the id of the migration that it was asked for last: an object that does nothing and has a name. */
const MARK = { id: 'drover-migration', type: 'authz-simple', property: 'identity' } as const;

/** Seconds over which written pages are counted, by samples. */
const DIRTY_RATE_SECONDS = 1;
/** Announcements of the guest's addresses in its new place, in ms: QEMU's own defaults. */
const ANNOUNCEMENT = { initial: 50, max: 550, rounds: 5, step: 100 };

/** Attempts to find a port for its NBD server, which takes one that is given and does not tell one that it has found. */
const PORT_ATTEMPTS = 5;

export class QemuProcess extends QmpVmProcess {
  private lastDirtyRateMiBps: number | null = null;
  private finishing: Promise<void> | null = null;
  private switching: Promise<void> | null = null;
  private passes = new PassLog();

  constructor(
    handle: VmHandle,
    qmp: QmpClient,
    exit: Promise<Exit>,
    private readonly architecture: QemuArchitecture,
  ) {
    super(handle, qmp, exit);
  }

  /** By ACPI; QEMU's board for riscv64 has none (hw/riscv/virt.c). */
  protected get hasPowerButton(): boolean {
    return this.architecture === 'x86_64';
  }

  async dirtyRateMiBps(): Promise<number | null> {
    if (!(await this.runState()).isRunning) return null;
    const { status, 'dirty-rate': rate } = await this.execute<DirtyRateInfo>('query-dirty-rate');
    if (status === 'measuring') return this.lastDirtyRateMiBps;
    if (status === 'measured') this.lastDirtyRateMiBps = rate ?? null;
    await this.execute('calc-dirty-rate', { 'calc-time': DIRTY_RATE_SECONDS });
    return this.lastDirtyRateMiBps;
  }

  async exportDisks(address: string, exports: readonly DiskExport[], tls: TlsCredentials | null): Promise<number> {
    const secured = tls && (await this.diskCredentials('server', tls));
    for (let attempt = 1; ; attempt++) {
      const port = await freePort(address);
      try {
        await startNbdServer(this.command, address, port, secured);
      } catch (error) {
        if (attempt === PORT_ATTEMPTS) throw error;
        continue; // somebody else has taken it meanwhile
      }
      await addExports(this.command, exports);
      return port;
    }
  }

  saveCheckpoint(): Promise<void> {
    return Promise.reject(new Error('QEMU has nothing to do with checkpoints'));
  }

  async queryCheckpoint(): Promise<CheckpointFigures> {
    return { status: 'none', bytes: 0, message: '' };
  }

  async migrate(options: MigrateOptions): Promise<void> {
    const { uri, migrationId, downtimeLimitMs, bandwidthMiBps, tls, means, mirroredDisks = [] } = options;
    await this.switchCapabilities(SOURCE_CAPABILITIES, true);
    await this.switchCapabilities([PAUSE_CAPABILITY], mirroredDisks.length > 0);
    await this.prepareMeans(means);
    await this.encrypt('client', tls, tls?.peer);
    await this.setMigrationLimits({ downtimeLimitMs, bandwidthMiBps });
    await this.mark(migrationId);
    this.passes = new PassLog();
    try {
      await this.execute('migrate', { uri });
    } catch (error) {
      await this.unmark(); // what query-migrate says is of an earlier one
      throw error;
    }
  }

  override async queryMigration(): Promise<OutgoingFigures | null> {
    const migrationId = await this.markedMigration();
    if (migrationId === null) return null;
    const answer = await this.queryMigrate();
    if (answer.status === 'pre-switchover') await this.switchOver();
    const figures = outgoingFigures(answer);
    return figures && { ...figures, migrationId, iterations: this.passes.note(answer, performance.now()) };
  }

  async listen(address: string, _epoch: number, tls: TlsCredentials | null, means?: MeansWanted): Promise<number> {
    await this.switchCapabilities(DESTINATION_CAPABILITIES, true);
    await this.prepareMeans(means);
    await this.encrypt('server', tls);
    await this.execute('migrate-incoming', { uri: `tcp:${address}:0` });
    return this.listeningPort();
  }

  /** The guest is stopped: disk and memory reach the same instant. A disk without a whole copy keeps the VM here. */
  private switchOver(): Promise<void> {
    this.switching ??= this.completeDisks().finally(() => (this.switching = null));
    return this.switching;
  }

  private async completeDisks(): Promise<void> {
    try {
      await completeMirrors(this.command);
    } catch (error) {
      await this.cancelMigration();
      throw error;
    }
    await this.execute('migrate-continue', { state: 'pre-switchover' });
  }

  async queryIncoming(): Promise<IncomingFigures> {
    return qemuIncomingFigures(await this.runState(), await this.queryMigrate());
  }

  finishIncoming(): Promise<void> {
    this.finishing ??= this.goOn().finally(() => (this.finishing = null));
    return this.finishing;
  }

  /** Looks at the figures while they are those of the pass's beginning. */
  protected override notePass(): void {
    this.queryMigration().catch(() => undefined); // they are looked at again
  }

  /** Beside what QEMU lists: what its host allows. */
  override async means(isMigrating: boolean): Promise<MeansOfProcess[]> {
    const listed = await super.means(isMigrating);
    return listed.filter(({ means }) => means !== 'post_copy' || mayUseUserfault(this.handle.pid));
  }

  /** Capabilities stay on from one migration to the next, and both ends must have the same ones. */
  protected override async prepareMeans(wanted: MeansWanted = { allowed: [], begunWith: [] }): Promise<void> {
    await this.switchCapabilities(MEANS_CAPABILITIES, false);
    const isPossible = (means: string) => means !== 'post_copy' || mayUseUserfault(this.handle.pid);
    const compression = wanted.begunWith.find(({ means }) => means === 'compression');
    await super.prepareMeans({
      allowed: wanted.allowed.filter(isPossible),
      begunWith: wanted.begunWith.filter((begun) => begun !== compression),
    });
    if (compression) await this.compress(compression.value);
  }

  /** By the threads of several connections: QEMU's older compression gets in the way of post-copy. */
  private async compress(threads: number | null): Promise<void> {
    const parameters = { 'multifd-compression': 'zstd', 'multifd-channels': Math.max(2, threads ?? 2) };
    await this.execute('migrate-set-parameters', parameters);
    await this.switchCapabilities(['multifd'], true);
  }

  private async goOn(): Promise<void> {
    if ((await this.runState()).isRunning) return;
    await this.endExports();
    // A guest whose timers are forgotten is better than none: the failure is told when it runs.
    const failure: unknown = this.architecture === 'riscv64' ? await this.setTimers().then(() => null, asIs) : null;
    await this.cont();
    await this.execute('announce-self', ANNOUNCEMENT);
    if (failure) throw failure;
  }

  /** The disks have one writer again. */
  private async endExports(): Promise<void> {
    const exports = await this.execute<unknown[]>('query-block-exports');
    if (exports.length > 0) await this.execute('nbd-server-stop');
  }

  private async setTimers(): Promise<void> {
    const vcpus = await this.execute<unknown[]>('query-cpus-fast');
    const socket = join(dirname(this.handle.qmpSocket), 'gdb.sock');
    await this.monitor(`gdbserver unix:${socket},server=on,wait=off`);
    try {
      await writeTimers(socket, vcpus.length);
    } finally {
      await this.monitor('gdbserver none');
    }
  }

  private async monitor(line: string): Promise<void> {
    await this.execute('human-monitor-command', { 'command-line': line });
  }

  private async switchCapabilities(capabilities: readonly string[], state: boolean): Promise<void> {
    const wanted = capabilities.map((capability) => ({ capability, state }));
    await this.execute('migrate-set-capabilities', { capabilities: wanted });
  }

  private async mark(migrationId: string): Promise<void> {
    if ((await this.markedMigration()) !== null) await this.unmark();
    await this.execute('object-add', { 'qom-type': MARK.type, id: MARK.id, [MARK.property]: migrationId });
  }

  private async unmark(): Promise<void> {
    await this.execute('object-del', { id: MARK.id });
  }

  private async markedMigration(): Promise<string | null> {
    try {
      return await this.execute<string>('qom-get', { path: `/objects/${MARK.id}`, property: MARK.property });
    } catch (error) {
      if (error instanceof QmpCommandError && error.errorClass === 'DeviceNotFound') return null;
      throw error;
    }
  }

  /** RISC-V's test finisher ends QEMU with the guest's status, and without any event (hw/misc/sifive_test.c). */
  protected override wasGuestsEnd(how: Exit, lastLogLine: string): boolean {
    const isFinisher = how.exitCode !== null && this.shutdown === null && lastLogLine === '';
    return super.wasGuestsEnd(how, lastLogLine) || (this.architecture === 'riscv64' && isFinisher);
  }
}

/** One that nobody listened at a moment ago. */
async function freePort(address: string): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface DirtyRateInfo {
  readonly status: 'unstarted' | 'measuring' | 'measured';
  /** MiB/s. */
  readonly 'dirty-rate'?: number;
}

const asIs = (error: unknown): unknown => error;
