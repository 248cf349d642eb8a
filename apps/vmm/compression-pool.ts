/** The threads that compress pages of a migration; each begins when there is work for it and ends with the pool. */
import { Worker } from 'node:worker_threads';
import type { CompressionJob, CompressorPool } from '#migration';

/** As many batches as can be under way. */
const MAX_THREADS = 8;

/** Answer to a job: its new size, or why it failed. */
export type CompressionAnswer = { readonly bytes: number } | { readonly error: string };

interface Order {
  readonly job: CompressionJob;
  resolve(bytes: number): void;
  reject(error: Error): void;
}

export class CompressionPool implements CompressorPool {
  private threads = 1;
  private readonly idle: Worker[] = [];
  private readonly busy = new Map<Worker, Order>();
  private readonly waiting: Order[] = [];

  constructor(private readonly memory: WebAssembly.Memory) {}

  get isFree(): boolean {
    return this.waiting.length === 0 && this.busy.size < this.threads;
  }

  /** Threads too many end as soon as they have nothing to do. */
  setThreads(threads: number): void {
    this.threads = Math.min(threads, MAX_THREADS);
    while (this.idle.length + this.busy.size > this.threads && this.idle.length > 0) void this.idle.pop()!.terminate();
    this.begin();
  }

  run(job: CompressionJob): Promise<number> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ job, resolve, reject });
      this.begin();
    });
  }

  close(): void {
    for (const worker of [...this.idle.splice(0), ...this.busy.keys()]) void worker.terminate();
    this.giveUp(new Error('compression has ended'));
  }

  private begin(): void {
    while (this.waiting.length > 0 && this.busy.size < this.threads) {
      const worker = this.idle.pop() ?? this.newWorker();
      const order = this.waiting.shift()!;
      this.busy.set(worker, order);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
      worker.postMessage(order.job);
    }
  }

  private newWorker(): Worker {
    const url = new URL('./compression-worker.js', import.meta.url);
    const worker = new Worker(url, { workerData: this.memory, name: 'compression' });
    worker.on('message', (answer: CompressionAnswer) => this.done(worker, answer));
    worker.on('error', (error) => this.giveUp(error));
    return worker;
  }

  private done(worker: Worker, answer: CompressionAnswer): void {
    const order = this.busy.get(worker)!;
    this.busy.delete(worker);
    if (this.busy.size + this.idle.length < this.threads) this.idle.push(worker);
    else void worker.terminate();
    if ('error' in answer) order.reject(new Error(answer.error));
    else order.resolve(answer.bytes);
    this.begin();
  }

  private giveUp(error: Error): void {
    for (const { reject } of [...this.busy.values(), ...this.waiting.splice(0)]) reject(error);
    this.busy.clear();
  }
}
