import { nothingYet, type IncomingFigures } from '#migration';
import { QmpError, type QmpServer } from '#qmp';
import type { MigrationAddress } from './migration-address.js';
import type { FromThread, MigrationTask, PostcopyOrder } from './migration-messages.js';
import { incomingStatus } from './migration-query.js';
import { MigrationThread, type MachineServant } from './migration-thread.js';
import type { Vm } from './vm.js';

export interface ArrivalPorts {
  /** Somebody connected who was no migration. */
  readonly onStranger: (message: string) => void;
  /** Something was asked for in vain, or the VM is lost. */
  readonly onRefused: (message: string) => void;
  /** The guest runs here from now on, or may. */
  readonly onStart: () => void;
  /** The one migration that was waited for has failed; RAM is zero again. */
  readonly onFailure: (message: string) => void;
}

/** One wait for this VM to arrive: the thread that listens, and what it does to the VM's run state. */
export class Arrival {
  figures: IncomingFigures;
  /** Where it listens. */
  bound: MigrationAddress | null = null;
  private readonly thread: MigrationThread;
  private readonly servant: MachineServant;
  private readonly listening: Promise<void>;
  private settleListening!: { resolve(): void; reject(error: Error): void };
  private readonly finishers: Waiting[] = [];
  private readonly recoverers: Waiting[] = [];
  /** As the guest was at the source; null before its state has been loaded. */
  private wasRunning: boolean | null = null;
  private isTakenOver = false;
  /** The thread has failed when everything was here: what is left to do is done without it. */
  private isOrphaned = false;

  constructor(
    private readonly qmp: QmpServer,
    private readonly vm: Vm,
    task: MigrationTask,
    private readonly ports: ArrivalPorts,
  ) {
    this.figures = nothingYet(vm.epoch);
    this.listening = new Promise((resolve, reject) => (this.settleListening = { resolve, reject }));
    this.servant = {
      stop: () => this.refuse(),
      resume: () => this.refuse(),
      saveState: () => this.refuse(),
      restoreState: async ({ state, running }) => {
        vm.machine.restoreState(state);
        await vm.checkDisks();
        this.wasRunning = running;
        return null;
      },
      start: (running) => this.start(running),
      lose: () => this.lose(),
    };
    this.thread = new MigrationThread(task, this.servant, {
      onNews: (news) => this.hear(news),
      onCrash: (error) => this.crashed(`the migration's thread failed: ${error.message}`),
    });
  }

  /** Resolves when it listens. Rejects with a QmpError if it cannot. */
  listens(): Promise<void> {
    return this.listening;
  }

  /** See IncomingMigration.finish; resolves when the guest has been started. Rejects with a QmpError. */
  finish(): Promise<void> {
    if (this.hasStarted) return Promise.resolve();
    if (this.figures.status === 'failed') return Promise.reject(new QmpError('the migration has failed'));
    if (this.isOrphaned) {
      this.finishAlone();
      return Promise.resolve();
    }
    this.thread.tell({ kind: 'finish' });
    return new Promise((resolve, reject) => this.finishers.push({ resolve, reject }));
  }

  /**
   * Listens for a source that comes back in post-copy; connections that seem to be there are given up, for whoever asks
   * knows better. Resolves when it does; rejects with a QmpError if it cannot.
   */
  recover(address: MigrationAddress): Promise<void> {
    const { status, missingPages } = this.figures;
    const isConnected = status === 'postcopy' || (status === 'loaded' && missingPages > 0 && !this.isPaused);
    if (isConnected) this.thread.tell({ kind: 'pause' });
    else if (!this.isPaused) return Promise.reject(new QmpError(`there is no pause to recover from: ${this.status}`));
    this.thread.tell({ kind: 'recover', address });
    return new Promise((resolve, reject) => this.recoverers.push({ resolve, reject }));
  }

  /** Throws a QmpError if it cannot be now. */
  order(order: PostcopyOrder): void {
    if (order.kind === 'pause' && this.figures.status !== 'postcopy') {
      throw new QmpError(`only post-copy can be paused: the migration is ${this.status}`);
    }
    if (order.kind === 'giveUp' && !this.isPaused) {
      throw new QmpError(`only a migration that is paused in post-copy can be given up here: it is ${this.status}`);
    }
    this.thread.tell(order);
  }

  get isOver(): boolean {
    return ['running', 'failed'].includes(this.figures.status);
  }

  private get status(): string {
    return incomingStatus(this.figures);
  }

  private get isPaused(): boolean {
    const { status, isConnected } = this.figures;
    return status === 'postcopy_paused' || (status === 'loaded' && !isConnected && !this.isOrphaned);
  }

  private get hasStarted(): boolean {
    return this.figures.status === 'running' || this.figures.status.startsWith('postcopy');
  }

  private async lose(): Promise<null> {
    await this.vm.stop('internal-error');
    return null;
  }

  private start(running: boolean): null {
    this.vm.machine.pages.request = (pages) => this.thread.tell({ kind: 'request', pages });
    this.isTakenOver = true;
    this.vm.epoch = this.figures.epoch;
    this.vm.takeOver(running && this.vm.autostart ? 'running' : 'paused');
    this.ports.onStart();
    return null;
  }

  private refuse(): never {
    throw new Error('this VM is the destination');
  }

  private hear(news: FromThread): void {
    switch (news.kind) {
      case 'listening':
        this.bound = news.bound;
        this.settleListening.resolve();
        this.qmp.emit('MIGRATION', { status: 'setup' });
        break;
      case 'listenFailed':
        this.fail(news.message);
        break;
      case 'incoming':
        this.note(news.figures);
        break;
      case 'stranger':
        this.ports.onStranger(news.message);
        break;
      case 'finishing':
        if (news.refusal !== null) this.settleFinishers(new QmpError(news.refusal));
        break;
      case 'received':
        this.settleFinishers(null);
        if (news.outcome === 'failed') this.tellFailure(this.figures.error!.message);
        break;
      case 'recovering':
        this.bound = news.bound;
        settle(this.recoverers, null);
        break;
      case 'recoverFailed':
        settle(this.recoverers, new QmpError(news.message));
        break;
      case 'refused':
        this.ports.onRefused(news.message);
        break;
    }
  }

  private note(figures: IncomingFigures): void {
    const before = incomingStatus(this.figures);
    this.figures = figures;
    const status = incomingStatus(figures);
    if (status !== before) this.qmp.emit('MIGRATION', { status });
    if (this.hasStarted) this.settleFinishers(null);
  }

  /** A VM that runs here, or has run, is its owner's to end. */
  private tellFailure(message: string): void {
    if (this.vm.runState === 'inmigrate') this.ports.onFailure(message);
    else this.ports.onRefused(message);
  }

  /**
   * A guest that is here in full needs the thread no more: it runs on, or waits, as after a lost connection, until somebody
   * knows whether the source has let go of it. One whose pages are still to come is lost without the thread.
   */
  private crashed(message: string): void {
    const { status } = this.figures;
    if (status === 'running') return this.ports.onRefused(message);
    if (status === 'loaded' && this.vm.machine.memory.isComplete) return this.orphaned(message);
    if (status.startsWith('postcopy')) void this.lose();
    this.fail(message);
  }

  private orphaned(message: string): void {
    this.isOrphaned = true;
    this.ports.onRefused(message);
    this.note({ ...this.figures, isConnected: false, error: { code: 'machine', message } });
    if (this.isTakenOver || this.finishers.length > 0) this.finishAlone();
  }

  private finishAlone(): void {
    if (!this.isTakenOver) this.start(this.wasRunning!);
    this.note({ ...this.figures, status: 'running' });
  }

  private fail(message: string): void {
    const error = new QmpError(message);
    this.note({ ...this.figures, status: 'failed', error: { code: 'machine', message } });
    this.settleFinishers(error);
    if (this.bound) this.tellFailure(message);
    else this.settleListening.reject(error);
  }

  private settleFinishers(error: Error | null): void {
    settle(this.finishers, error);
  }
}

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

function settle(waiting: Waiting[], error: Error | null): void {
  for (const { resolve, reject } of waiting.splice(0)) {
    if (error) reject(error);
    else resolve();
  }
}
