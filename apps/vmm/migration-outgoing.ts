import type { MigrationFigures, PrecopyParameters } from '#migration';
import { QmpError, type QmpServer } from '#qmp';
import { liftThrottles, type GuestMemory } from '#vmm';
import type { FailoverPair } from './devices/failover.js';
import type { MigrationTask, PostcopyOrder } from './migration-messages.js';
import { describeOutgoing } from './migration-query.js';
import { MigrationThread, type MachineServant } from './migration-thread.js';
import type { RunState } from './run-state.js';
import type { Vm } from './vm.js';

/** The guest runs at the destination, and needs pages that are here. */
const isInPostcopy = (status: string | undefined): boolean => status?.startsWith('postcopy-') ?? false;
const OVER = ['completed', 'failed', 'cancelled'];
/** Of a migration that has not begun to send. */
const NO_FIGURES = { iterations: [], downtimeBreakdown: null, confirmed: null, error: null };

/** What an attempt to move this VM away has to do with. */
export interface Departure {
  readonly qmp: QmpServer;
  readonly vm: Vm;
  /** One line for whoever reads this process's complaints. */
  readonly log: (line: string) => void;
  readonly failoverPairs: readonly FailoverPair[];
}

export interface DepartureOptions {
  readonly migrationId: string;
  /** Block jobs that bring its disks along. */
  readonly mirrors: readonly string[];
  /** How long the guest may take to let devices of the host go. */
  readonly unplugMs: number;
  /** 1 as soon as its thread may have let go of the guest. */
  readonly letGo: Int32Array;
  /** With the parameters of the moment. */
  task(): MigrationTask;
}

/** One attempt to move this VM away: its thread, and what it does to the VM's run state. */
export class OutgoingMigration {
  /** null until the thread has said something. */
  figures: MigrationFigures | null = null;
  /** null while the guest is asked to let devices of the host go. */
  private thread: MigrationThread | null = null;
  private readonly unplugging = new AbortController();
  private readonly memory: GuestMemory;
  private readonly qmp: QmpServer;
  private readonly vm: Vm;
  private runStateBefore: RunState = 'running';
  private stopping: Promise<unknown> = Promise.resolve();
  /** How it ended before the thread said anything. */
  private stillborn: {
    readonly status: 'failed' | 'cancelled';
    readonly code: string;
    readonly message: string;
  } | null = null;

  constructor(
    private readonly departure: Departure,
    private readonly options: DepartureOptions,
  ) {
    this.qmp = departure.qmp;
    this.vm = departure.vm;
    this.memory = departure.vm.machine.memory;
    if (departure.failoverPairs.some((pair) => pair.isPlugged)) void this.unplugFirst();
    else this.begin();
  }

  private async unplugFirst(): Promise<void> {
    const { failoverPairs } = this.departure;
    this.qmp.emit('MIGRATION', { status: 'wait-unplug' });
    try {
      if (this.vm.runState !== 'running')
        throw new Error(`its guest is ${this.vm.runState}, and cannot let devices of the host go`);
      await Promise.all(failoverPairs.map((pair) => pair.release(this.options.unplugMs, this.unplugging.signal)));
      this.begin();
    } catch (error) {
      this.allowPrimaries();
      const isCancelled = this.unplugging.signal.aborted;
      const message = isCancelled ? 'cancelled by request' : (error as Error).message;
      const how = isCancelled
        ? ({ status: 'cancelled', code: 'cancelled' } as const)
        : ({ status: 'failed', code: 'host_device' } as const);
      this.stillborn = { ...how, message };
      this.departure.log(message);
      this.qmp.emit('MIGRATION', { status: this.stillborn.status });
    }
  }

  private begin(): void {
    const { vm } = this;
    for (const pair of this.departure.failoverPairs) pair.forbid();
    const servant: MachineServant = {
      stop: () => this.stop(),
      resume: () => this.resume(),
      saveState: () => vm.machine.saveState(),
      restoreState: () => this.refuse(),
      start: () => this.refuse(),
      lose: () => this.refuse(),
    };
    this.thread = new MigrationThread(this.options.task(), servant, {
      onNews: (news) => {
        if (news.kind === 'outgoing') this.hear(news.figures);
        else if (news.kind === 'refused') this.departure.log(news.message);
      },
      onCrash: (error) => void this.crashed(error),
    });
  }

  /** The VM stays. */
  private allowPrimaries(): void {
    for (const pair of this.departure.failoverPairs) pair.allow();
  }

  get isOver(): boolean {
    return this.stillborn !== null || (this.figures !== null && OVER.includes(this.figures.status));
  }

  /** For query-migrate. */
  describe(): Record<string, unknown> {
    if (this.figures) return describeOutgoing(this.figures);
    const { migrationId } = this.options;
    if (!this.stillborn)
      return { status: this.thread ? 'setup' : 'wait-unplug', 'x-drover': { ...NO_FIGURES, migrationId } };
    const { status, code, message } = this.stillborn;
    const error = { code, message };
    return { status, 'error-desc': message, 'x-drover': { ...NO_FIGURES, migrationId, error } };
  }

  setParameters(parameters: PrecopyParameters): void {
    if (!this.isOver) this.thread?.tell({ kind: 'parameters', parameters });
  }

  /** Does nothing past the point of no return, as in QEMU; query-migrate tells what became of it. */
  cancel(): void {
    if (this.isOver) return;
    if (this.thread) this.thread.tell({ kind: 'cancel' });
    else this.unplugging.abort();
  }

  /** What may be asked in post-copy, or to begin it. Throws a QmpError if it cannot be now. */
  order(order: PostcopyOrder): void {
    const status = this.figures?.status ?? 'setup';
    if (order.kind === 'startPostcopy' && this.isOver) throw new QmpError('there is no migration under way');
    if (order.kind === 'pause' && status !== 'postcopy-active' && status !== 'postcopy-recover') {
      throw new QmpError(`only post-copy can be paused: the migration is ${status}`);
    }
    if (order.kind === 'resume' && status !== 'postcopy-paused') {
      throw new QmpError(`there is no paused migration to resume: it is ${status}`);
    }
    if (!this.thread) throw new QmpError('the guest is still asked to let devices of the host go: try again');
    this.thread.tell(order);
  }

  private stop(): Promise<{ running: boolean }> {
    const stopped = this.hold();
    this.stopping = stopped.catch(() => undefined); // the engine hears of it
    return stopped;
  }

  private async hold(): Promise<{ running: boolean }> {
    const { vm } = this;
    this.runStateBefore = vm.runState;
    await vm.stop('finish-migrate', this.options.mirrors);
    if (vm.runState !== 'finish-migrate') throw new Error(`the VM has come to its end here (${vm.runState})`);
    return { running: this.runStateBefore === 'running' };
  }

  private resume(): null {
    const { vm, runStateBefore } = this;
    if (vm.runState !== 'finish-migrate') return null; // it never stopped, or has ended
    vm.takeOver(runStateBefore);
    return null;
  }

  private refuse(): never {
    throw new Error('this VM is the source');
  }

  private hear(figures: MigrationFigures): void {
    const before = this.figures;
    this.figures = figures;
    const isGone = figures.status === 'completed' || (figures.status === 'failed' && isInPostcopy(before?.status));
    if (isGone && this.vm.runState === 'finish-migrate') this.vm.setRunState('postmigrate');
    if (figures.dirtySyncs !== (before?.dirtySyncs ?? 0)) this.qmp.emit('MIGRATION_PASS', { pass: figures.dirtySyncs });
    if (figures.status !== before?.status) this.qmp.emit('MIGRATION', { status: figures.status });
    if (this.isOver && !isGone) this.allowPrimaries();
  }

  /** The guest goes on here unless the thread had let go of it: then it may be there, and never runs here again. */
  private async crashed(error: Error): Promise<void> {
    if (this.isOver) return;
    liftThrottles(this.memory, this.memory.harts); // the engine cannot do it any more
    const hasLetGo = Atomics.load(this.options.letGo, 0) === 1;
    await this.stopping; // harts may still be parking
    if (!hasLetGo) this.resume();
    const told = { code: 'machine', message: `the migration's thread failed: ${error.message}` } as const;
    if (!this.figures) {
      this.stillborn = { status: 'failed', ...told };
      this.qmp.emit('MIGRATION', { status: 'failed' });
      this.allowPrimaries();
      return;
    }
    const mayBeThere = hasLetGo && !isInPostcopy(this.figures.status);
    this.hear({
      ...this.figures,
      error: told,
      ...(mayBeThere ? { status: 'completed', confirmed: false } : { status: 'failed' }),
    });
  }
}
