/** A VM's process that speaks QMP: what drivers have in common. */
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient, type QmpEvent } from '#qmp';
import type {
  IncomingFigures,
  MigrateOptions,
  MigrationLimits,
  OutgoingFigures,
  RunState,
  VmEnd,
  VmHandle,
  VmProcess,
} from './hypervisor.js';
import { GuestAgent } from './guest-agent.js';
import { lastLine } from './process-log.js';
import { isAlive } from './process-table.js';
import {
  type QueryMigrate,
  incomingFigures,
  listeningPort,
  migrationParameters,
  outgoingFigures,
} from './query-migrate.js';

/** How a process ended; what nobody could see is null. */
export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Id of the guest agent's port, and of what it is connected to. */
export const AGENT_PORT = 'agent';

const RECONNECT_MS = 250;
const MIB = 2 ** 20;
const PAGE_BYTES = 4096;

export class QmpVmProcess implements VmProcess {
  readonly ended: Promise<VmEnd>;
  private isOver = false;
  private wasEndedByGuest = false;
  private readonly agent: GuestAgent | null;
  /** The guest's agent has its port open. */
  private isAgentThere = false;
  private lastDirtied: { readonly pages: number; readonly atMs: number } | null = null;

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
    const { running, status } = await this.qmp.execute<{ running: boolean; status: string }>('query-status');
    return { isRunning: running, status };
  }

  async dirtyRateMiBps(): Promise<number | null> {
    const { 'dirtied-pages': pages } = await this.qmp.execute<{ 'dirtied-pages': number }>('x-drover-stats');
    const before = this.lastDirtied;
    const now = { pages, atMs: performance.now() };
    this.lastDirtied = now;
    if (!before || now.atMs <= before.atMs) return null;
    return (((now.pages - before.pages) * PAGE_BYTES) / MIB / (now.atMs - before.atMs)) * 1000;
  }

  async stop(): Promise<void> {
    await this.qmp.execute('stop');
  }

  async cont(): Promise<void> {
    await this.qmp.execute('cont');
  }

  async powerdown(): Promise<void> {
    await this.qmp.execute('system_powerdown');
  }

  async quit(): Promise<void> {
    await this.qmp.execute('quit');
  }

  kill(): void {
    if (isAlive(this.handle)) process.kill(this.handle.pid, 'SIGKILL');
  }

  async migrate({ uri, migrationId, epoch, ...limits }: MigrateOptions): Promise<void> {
    await this.setMigrationLimits(limits);
    await this.qmp.execute('migrate', { uri, 'x-drover-migration-id': migrationId, 'x-drover-epoch': epoch });
  }

  async cancelMigration(): Promise<void> {
    await this.qmp.execute('migrate_cancel');
  }

  async setMigrationLimits(limits: MigrationLimits): Promise<void> {
    await this.qmp.execute('migrate-set-parameters', migrationParameters(limits));
  }

  async queryMigration(): Promise<OutgoingFigures | null> {
    return outgoingFigures(await this.qmp.execute<QueryMigrate>('query-migrate'));
  }

  async listen(address: string, epoch: number): Promise<number> {
    await this.qmp.execute('migrate-incoming', { uri: `tcp:${address}:0`, 'x-drover-epoch': epoch - 1 });
    return listeningPort(await this.qmp.execute<QueryMigrate>('query-migrate'));
  }

  async queryIncoming(): Promise<IncomingFigures> {
    return incomingFigures(await this.runState(), await this.qmp.execute<QueryMigrate>('query-migrate'));
  }

  async finishIncoming(): Promise<void> {
    await this.qmp.execute('x-drover-migrate-finish');
  }

  release(): void {
    this.isOver = true;
    this.qmp.close();
    this.agent?.close();
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
    if (event === 'SHUTDOWN' && data?.guest === true) this.wasEndedByGuest = true;
    if (event === 'VSERPORT_CHANGE' && data?.id === AGENT_PORT) this.noteAgent(data.open === true);
  }

  /** Events tell of changes only. */
  private async lookForAgent(): Promise<void> {
    try {
      const chardevs = await this.qmp.execute<{ label: string; 'frontend-open': boolean }[]>('query-chardev');
      this.noteAgent(chardevs.some(({ label, 'frontend-open': isOpen }) => label === AGENT_PORT && isOpen));
    } catch {
      this.noteAgent(false); // connected anew, it is looked at again
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
    return { ...how, byGuest: this.wasEndedByGuest, lastLogLine: lastLine(this.handle.log) };
  }
}
