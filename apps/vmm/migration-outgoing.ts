import type { MigrationFigures, PrecopyParameters } from '#migration';
import { QmpError, type QmpServer } from '#qmp';
import { GuestMemory, liftThrottles } from '#vmm';
import type { MigrationTask, OutgoingRole, PostcopyOrder } from './migration-messages.js';
import { describeOutgoing } from './migration-query.js';
import { MigrationThread, type MachineServant } from './migration-thread.js';
import type { RunState } from './run-state.js';
import type { Vm } from './vm.js';

/** The guest runs at the destination, and needs pages that are here. */
const isInPostcopy = (status: string | undefined): boolean => status?.startsWith('postcopy-') ?? false;
const OVER = ['completed', 'failed', 'cancelled'];

/** One attempt to move this VM away: its thread, and what it does to the VM's run state. */
export class OutgoingMigration {
  /** null until the thread has said something. */
  figures: MigrationFigures | null = null;
  private readonly thread: MigrationThread;
  private readonly memory: GuestMemory;
  private readonly letGo: Int32Array;
  private runStateBefore: RunState = 'running';
  private stopping: Promise<unknown> = Promise.resolve();
  /** Why the thread failed before it said anything. */
  private stillborn: string | null = null;

  constructor(
    private readonly qmp: QmpServer,
    private readonly vm: Vm,
    task: MigrationTask & { readonly role: OutgoingRole },
    log: (line: string) => void,
    /** Block jobs that bring its disks along. */
    private readonly mirrors: readonly string[] = [],
  ) {
    this.memory = new GuestMemory(task.memory);
    this.letGo = task.role.letGo;
    const servant: MachineServant = {
      stop: () => this.stop(),
      resume: () => this.resume(),
      saveState: () => vm.machine.saveState(),
      restoreState: () => this.refuse(),
      start: () => this.refuse(),
      lose: () => this.refuse(),
    };
    this.thread = new MigrationThread(task, servant, {
      onNews: (news) => {
        if (news.kind === 'outgoing') this.hear(news.figures);
        else if (news.kind === 'refused') log(news.message);
      },
      onCrash: (error) => void this.crashed(error),
    });
  }

  get isOver(): boolean {
    return this.stillborn !== null || (this.figures !== null && OVER.includes(this.figures.status));
  }

  /** For query-migrate. */
  describe(): Record<string, unknown> {
    if (this.stillborn !== null) return { status: 'failed', 'error-desc': this.stillborn };
    return this.figures ? describeOutgoing(this.figures) : { status: 'setup' };
  }

  setParameters(parameters: PrecopyParameters): void {
    if (!this.isOver) this.thread.tell({ kind: 'parameters', parameters });
  }

  /** Does nothing past the point of no return, as in QEMU; query-migrate tells what became of it. */
  cancel(): void {
    if (!this.isOver) this.thread.tell({ kind: 'cancel' });
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
    await vm.stop('finish-migrate', this.mirrors);
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
  }

  /** The guest goes on here unless the thread had let go of it: then it may be there, and never runs here again. */
  private async crashed(error: Error): Promise<void> {
    if (this.isOver) return;
    liftThrottles(this.memory, this.memory.harts); // the engine cannot do it any more
    const hasLetGo = Atomics.load(this.letGo, 0) === 1;
    await this.stopping; // harts may still be parking
    if (!hasLetGo) this.resume();
    const told = { code: 'machine', message: `the migration's thread failed: ${error.message}` } as const;
    if (!this.figures) {
      this.stillborn = told.message;
      this.qmp.emit('MIGRATION', { status: 'failed' });
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
