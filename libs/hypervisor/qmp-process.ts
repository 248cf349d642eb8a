/** A VM's process that speaks QMP: what QEMU and Drover's own VMM have in common. */
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient, QmpCommandError, type QmpEvent } from '#qmp';
import {
  STANDARD_DEVICES,
  type CheckpointFigures,
  type ClientCredentials,
  type DiskExport,
  type StandardDevice,
  type IncomingFigures,
  type MigrateOptions,
  type MigrationLimits,
  type MirrorFigures,
  type NbdAddress,
  type OutgoingFigures,
  type PageShares,
  type RunState,
  type VmEnd,
  type VmHandle,
  type VmProcess,
} from './hypervisor.js';
import { GuestAgent } from './guest-agent.js';
import { lastLine } from './process-log.js';
import {
  applyMeans,
  type Execute,
  listMeans,
  type MeansOfProcess,
  type MeansToApply,
  prepareMeans,
  type MeansWanted,
} from './migration-means.js';
import { type DiskTls, endMirrors, mirrorDisks, queryMirrors, setMirrorSpeed } from './mirrors.js';
import { isAlive } from './process-table.js';
import { type QueryMigrate, listeningPort, migrationParameters, outgoingFigures } from './query-migrate.js';
import { addCredentials, type Endpoint, setMigrationCredentials, type TlsCredentials } from './tls-credentials.js';

/** How a process ended; what nobody could see is null. */
export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Id of the guest agent's port, and of what it is connected to. */
export const AGENT_PORT = 'agent';

interface Chardev {
  readonly label: string;
  readonly 'frontend-open': boolean;
}

const ABSENT: ReadonlySet<string> = new Set(['DeviceNotActive', 'CommandNotFound']);
const RECONNECT_MS = 250;

export abstract class QmpVmProcess implements VmProcess {
  readonly ended: Promise<VmEnd>;
  private isOver = false;
  protected readonly command: Execute = (name, given) => this.execute(name, given);
  /** Who asked for the end that has been announced. */
  protected shutdown: 'guest' | 'host' | null = null;
  private migrationListener: () => void = () => undefined;
  private readonly agent: GuestAgent | null;
  /** The guest's agent has its port open. */
  private isAgentThere = false;

  constructor(
    readonly handle: VmHandle,
    private qmp: QmpClient,
    exit: Promise<Exit>,
  ) {
    this.agent = handle.agentSocket === undefined ? null : new GuestAgent({ path: handle.agentSocket });
    void this.stayConnected();
    this.ended = exit.then((how) => this.noteEnd(how));
  }

  get guestAgent(): GuestAgent | null {
    return this.isAgentThere ? this.agent : null;
  }

  async runState(): Promise<RunState> {
    const { running, status } = await this.execute<{ running: boolean; status: string }>('query-status');
    return { isRunning: running, status };
  }

  /** Whether the board has a power button that a guest could hear. */
  protected abstract readonly hasPowerButton: boolean;

  abstract exportDisks(address: string, exports: readonly DiskExport[], tls: TlsCredentials | null): Promise<number>;
  abstract dirtyRateMiBps(): Promise<number | null>;
  abstract migrate(options: MigrateOptions): Promise<void>;
  abstract listen(
    address: string,
    epoch: number,
    tls: TlsCredentials | null,
    means?: MeansWanted,
    checkpoint?: string | null,
  ): Promise<number>;
  abstract saveCheckpoint(maxBytes: number): Promise<void>;
  abstract queryCheckpoint(): Promise<CheckpointFigures>;
  abstract queryIncoming(): Promise<IncomingFigures>;
  abstract finishIncoming(): Promise<void>;

  async devices(): Promise<StandardDevice[]> {
    const [balloon, chardevs] = await Promise.all([this.ask('query-balloon'), this.ask<Chardev[]>('query-chardev')]);
    const has: Record<StandardDevice, boolean> = {
      balloon: balloon !== undefined,
      guest_agent: chardevs?.some(({ label }) => label === AGENT_PORT) ?? false,
    };
    return STANDARD_DEVICES.filter((device) => has[device]);
  }

  async mirrorDisks(
    server: NbdAddress,
    exports: readonly DiskExport[],
    bandwidthMiBps: number | null,
    tls: ClientCredentials | null,
  ): Promise<void> {
    const secured = tls && { ...(await this.diskCredentials('client', tls)), peer: tls.peer };
    await mirrorDisks(this.command, server, exports, bandwidthMiBps, secured);
  }

  queryMirrors(): Promise<readonly MirrorFigures[]> {
    return queryMirrors(this.command);
  }

  endMirrors(): Promise<void> {
    return endMirrors(this.command);
  }

  async samplePages(): Promise<PageShares | null> {
    return (await this.ask<PageShares>('x-drover-sample-pages')) ?? null;
  }

  async stop(): Promise<void> {
    await this.execute('stop');
  }

  async cont(): Promise<void> {
    await this.execute('cont');
  }

  async powerdown(): Promise<boolean> {
    await this.execute('system_powerdown');
    return this.hasPowerButton;
  }

  async quit(): Promise<void> {
    await this.execute('quit');
  }

  kill(): void {
    if (isAlive(this.handle)) process.kill(this.handle.pid, 'SIGKILL');
  }

  means(isMigrating: boolean): Promise<MeansOfProcess[]> {
    return listMeans(this.command, isMigrating);
  }

  applyMeans(step: MeansToApply): Promise<void> {
    return applyMeans(this.command, step);
  }

  async vcpuThreads(): Promise<number[]> {
    const vcpus = await this.execute<{ 'thread-id': number }[]>('query-cpus-fast');
    return vcpus.map((vcpu) => vcpu['thread-id']);
  }

  async resumeMigration(uri: string): Promise<void> {
    await this.execute('migrate', { uri, resume: true });
  }

  async waitForRecovery(address: string): Promise<number> {
    await this.execute('migrate-recover', { uri: `tcp:${address}:0` });
    return this.listeningPort();
  }

  async cancelMigration(): Promise<void> {
    await this.execute('migrate_cancel');
  }

  async setMigrationLimits(limits: MigrationLimits): Promise<void> {
    await this.execute('migrate-set-parameters', migrationParameters(limits));
    if (limits.bandwidthMiBps !== undefined) await setMirrorSpeed(this.command, limits.bandwidthMiBps);
  }

  onMigration(listener: () => void): void {
    this.migrationListener = listener;
  }

  async queryMigration(): Promise<OutgoingFigures | null> {
    return outgoingFigures(await this.queryMigrate());
  }

  release(): void {
    this.isOver = true;
    this.qmp.close();
    this.agent?.close();
  }

  protected execute<Result = unknown>(command: string, given?: Readonly<Record<string, unknown>>): Promise<Result> {
    return this.qmp.execute<Result>(command, given);
  }

  /** Before it migrates or is migrated to. */
  protected prepareMeans(wanted: MeansWanted | undefined): Promise<void> {
    return wanted ? prepareMeans(this.command, wanted) : Promise.resolve();
  }

  /** Has the next migration encrypted, as this end of it; null: not. `peer`: the name in the destination's certificate. */
  protected encrypt(endpoint: Endpoint, credentials: TlsCredentials | null, peer?: string): Promise<void> {
    return setMigrationCredentials(this.qmp, dirname(this.handle.qmpSocket), endpoint, credentials, peer);
  }

  /** Makes them known to the process, for disks that are copied. */
  protected async diskCredentials(endpoint: Endpoint, credentials: TlsCredentials): Promise<DiskTls> {
    const folder = dirname(this.handle.qmpSocket);
    return { id: await addCredentials(this.qmp, folder, `disk-tls-${endpoint}`, endpoint, credentials) };
  }

  protected queryMigrate(): Promise<QueryMigrate> {
    return this.execute<QueryMigrate>('query-migrate');
  }

  /** The port at which it waits for a migration. Rejects if it waits nowhere. */
  protected async listeningPort(): Promise<number> {
    return listeningPort(await this.queryMigrate());
  }

  /** Hears events; connects again when the connection is lost and the process is not. */
  private async stayConnected(): Promise<void> {
    while (!this.isOver) {
      this.qmp.onEvent((event) => this.hear(event));
      void this.lookForAgent();
      await this.qmp.closed;
      while (!this.isOver) {
        try {
          this.qmp = await QmpClient.connect({ path: this.handle.qmpSocket });
          break;
        } catch {
          await sleep(RECONNECT_MS, undefined, { ref: false }); // it is about to end, or busy
        }
      }
    }
  }

  private hear({ event, data }: QmpEvent): void {
    if (event === 'SHUTDOWN') this.shutdown = data?.guest === true ? 'guest' : 'host';
    if (event === 'MIGRATION') this.migrationListener();
    if (event === 'MIGRATION_PASS') this.notePass();
    if (event === 'VSERPORT_CHANGE' && data?.id === AGENT_PORT) this.noteAgent(data.open === true);
  }

  /** Events tell of changes only. */
  private async lookForAgent(): Promise<void> {
    try {
      const chardevs = await this.execute<Chardev[]>('query-chardev');
      this.noteAgent(chardevs.some(({ label, 'frontend-open': isOpen }) => label === AGENT_PORT && isOpen));
    } catch {
      this.noteAgent(false); // connected anew, it is looked at again
    }
  }

  /** Undefined if the process has no such device, or is of a version that knows none. */
  private async ask<T>(command: string): Promise<T | undefined> {
    try {
      return await this.execute<T>(command);
    } catch (error) {
      const isAbsent = error instanceof QmpCommandError && ABSENT.has(error.errorClass);
      if (isAbsent) return undefined;
      throw error;
    }
  }

  private noteAgent(isThere: boolean): void {
    this.isAgentThere = isThere;
    if (!isThere) this.agent?.close();
  }

  private noteEnd(how: Exit): VmEnd {
    this.isOver = true;
    this.qmp.close();
    this.agent?.close();
    const lastLogLine = lastLine(this.handle.log);
    return { ...how, byGuest: this.wasGuestsEnd(how, lastLogLine), lastLogLine };
  }

  /** A pass over the dirty log begins. */
  protected notePass(): void {}

  protected wasGuestsEnd(_how: Exit, _lastLogLine: string): boolean {
    return this.shutdown === 'guest';
  }
}
