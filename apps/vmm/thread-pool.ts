/** Threads that carry out orders of one kind, each one at a time; each begins when there is work for it and ends with the pool. */
import { parentPort, type Worker } from 'node:worker_threads';

/** What a thread says when it has carried an order out, or why it could not. */
type Outcome<Answer> = { readonly answer: Answer } | { readonly error: string };

interface Waiting<Order, Answer> {
  readonly order: Order;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

export class ThreadPool<Order, Answer> {
  private readonly idle: Worker[] = [];
  private readonly busy = new Map<Worker, Waiting<Order, Answer>>();
  private readonly waiting: Waiting<Order, Answer>[] = [];

  /** `newThread`: one that does `serveOrders`. */
  constructor(
    private readonly newThread: () => Worker,
    private threads = 1,
  ) {}

  /** Whether an order would be begun at once. */
  get isFree(): boolean {
    return this.waiting.length === 0 && this.busy.size < this.threads;
  }

  /** Threads too many end as soon as they have nothing to do. */
  setThreads(threads: number): void {
    this.threads = threads;
    while (this.idle.length + this.busy.size > threads && this.idle.length > 0) void this.idle.pop()!.terminate();
    this.begin();
  }

  /** Rejects with an Error if the thread fails, or when the pool is closed. */
  run(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ order, resolve, reject });
      this.begin();
    });
  }

  /** Orders under way are given up with that reason. */
  close(reason: string): void {
    for (const thread of [...this.idle.splice(0), ...this.busy.keys()]) void thread.terminate();
    this.giveUp(new Error(reason));
  }

  private begin(): void {
    while (this.waiting.length > 0 && this.busy.size < this.threads) {
      const thread = this.idle.pop() ?? this.start();
      const waiting = this.waiting.shift()!;
      this.busy.set(thread, waiting);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
      thread.postMessage(waiting.order);
    }
  }

  private start(): Worker {
    const thread = this.newThread();
    thread.on('message', (outcome: Outcome<Answer>) => this.done(thread, outcome));
    thread.on('error', (error) => this.giveUp(error));
    return thread;
  }

  private done(thread: Worker, outcome: Outcome<Answer>): void {
    const waiting = this.busy.get(thread);
    if (!waiting) return; // the pool was closed
    this.busy.delete(thread);
    if (this.busy.size + this.idle.length < this.threads) this.idle.push(thread);
    else void thread.terminate();
    if ('error' in outcome) waiting.reject(new Error(outcome.error));
    else waiting.resolve(outcome.answer);
    this.begin();
  }

  private giveUp(error: Error): void {
    for (const { reject } of [...this.busy.values(), ...this.waiting.splice(0)]) reject(error);
    this.busy.clear();
  }
}

/** In a thread of a pool: carries out one order after the other. What is thrown goes back. */
export function serveOrders<Order, Answer>(carryOut: (order: Order) => Promise<Answer> | Answer): void {
  parentPort!.on('message', async (order: Order) => {
    let outcome: Outcome<Answer>;
    try {
      outcome = { answer: await carryOut(order) };
    } catch (error) {
      outcome = { error: error instanceof Error ? error.message : String(error) };
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
    parentPort!.postMessage(outcome);
  });
}
