/** The main thread's end of a migration's thread. */
import { Worker } from 'node:worker_threads';
import type { FromThread, MachineCall, MachineCalls, MigrationTask, ToThread } from './migration-messages.js';

/** Carries out what the engine asks of the machine; what is thrown goes back to it. */
export type MachineServant = {
  readonly [C in MachineCall]: (
    argument: MachineCalls[C]['argument'],
  ) => Promise<MachineCalls[C]['answer']> | MachineCalls[C]['answer'];
};

export interface ThreadEars {
  readonly onNews: (news: Exclude<FromThread, { kind: 'call' }>) => void;
  /** The thread has ended by an error that it did not expect; all that it said has been heard. */
  readonly onCrash: (error: Error) => void;
}

export class MigrationThread {
  private readonly worker: Worker;

  constructor(
    task: MigrationTask,
    private readonly servant: MachineServant,
    ears: ThreadEars,
  ) {
    const name = `${task.role.kind} migration`;
    this.worker = new Worker(new URL('./migration-worker.js', import.meta.url), { workerData: task, name });
    this.worker.on('message', (message: FromThread) => {
      if (message.kind === 'call') void this.serve(message);
      else ears.onNews(message);
    });
    this.worker.once('error', (error) => this.worker.once('exit', () => ears.onCrash(error)));
  }

  tell(message: ToThread): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
    this.worker.postMessage(message);
  }

  private async serve({ id, call, argument }: Extract<FromThread, { kind: 'call' }>): Promise<void> {
    const servant = this.servant[call] as (argument: unknown) => unknown;
    try {
      this.tell({ kind: 'answer', id, answer: await servant(argument), error: null });
    } catch (error) {
      this.tell({ kind: 'answer', id, answer: null, error: error instanceof Error ? error.message : String(error) });
    }
  }
}
