import type { IncomingFigures } from '#migration';
import { QmpError, type QmpServer } from '#qmp';
import type { MigrationAddress } from './migration-address.js';
import type { FromThread, MigrationTask } from './migration-messages.js';
import { incomingStatus } from './migration-query.js';
import { MigrationThread, type MachineServant } from './migration-thread.js';
import type { Vm } from './vm.js';

export interface ArrivalPorts {
  /** Somebody connected who was no migration. */
  readonly onStranger: (message: string) => void;
  /** The one migration that was waited for has failed; RAM is zero again. */
  readonly onFailure: (message: string) => void;
}

/** One wait for this VM to arrive: the thread that listens, and what it does to the VM's run state. */
export class Arrival {
  figures: IncomingFigures;
  /** Where it listens. */
  bound: MigrationAddress | null = null;
  private readonly thread: MigrationThread;
  private readonly listening: Promise<void>;
  private settleListening!: { resolve(): void; reject(error: Error): void };
  private readonly finishers: { resolve(): void; reject(error: Error): void }[] = [];

  constructor(
    private readonly qmp: QmpServer,
    private readonly vm: Vm,
    task: MigrationTask,
    private readonly ports: ArrivalPorts,
  ) {
    this.figures = {
      status: 'waiting',
      migrationId: null,
      epoch: vm.epoch,
      pages: 0,
      zeroPages: 0,
      iteration: 0,
      isConnected: false,
      error: null,
    };
    this.listening = new Promise((resolve, reject) => (this.settleListening = { resolve, reject }));
    const servant: MachineServant = {
      stop: () => this.refuse(),
      resume: () => this.refuse(),
      saveState: () => this.refuse(),
      restoreState: async (state) => {
        vm.machine.restoreState(state);
        await vm.checkDisks();
        return null;
      },
      start: (running) => this.start(running),
    };
    this.thread = new MigrationThread(task, servant, {
      onNews: (news) => this.hear(news),
      onCrash: (error) => this.fail(`the migration's thread failed: ${error.message}`),
    });
  }

  /** Resolves when it listens. Rejects with a QmpError if it cannot. */
  listens(): Promise<void> {
    return this.listening;
  }

  /** See IncomingMigration.finish; resolves when the guest has been started. Rejects with a QmpError. */
  finish(): Promise<void> {
    if (this.figures.status === 'running') return Promise.resolve();
    if (this.figures.status === 'failed') return Promise.reject(new QmpError('the migration has failed'));
    this.thread.tell({ kind: 'finish' });
    return new Promise((resolve, reject) => this.finishers.push({ resolve, reject }));
  }

  private start(running: boolean): null {
    this.vm.epoch = this.figures.epoch;
    this.vm.takeOver(running && this.vm.autostart ? 'running' : 'paused');
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
        if (news.outcome === 'failed') this.ports.onFailure(this.figures.error!.message);
        break;
    }
  }

  private note(figures: IncomingFigures): void {
    const before = incomingStatus(this.figures);
    this.figures = figures;
    const status = incomingStatus(figures);
    if (status !== before) this.qmp.emit('MIGRATION', { status });
  }

  private fail(message: string): void {
    const error = new QmpError(message);
    this.note({ ...this.figures, status: 'failed', error: { code: 'machine', message } });
    this.settleFinishers(error);
    if (this.bound) this.ports.onFailure(message);
    else this.settleListening.reject(error);
  }

  private settleFinishers(error: Error | null): void {
    for (const { resolve, reject } of this.finishers.splice(0)) {
      if (error) reject(error);
      else resolve();
    }
  }
}
