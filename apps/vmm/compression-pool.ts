/** The threads that compress pages of a migration. */
import { Worker } from 'node:worker_threads';
import type { CompressionJob, CompressorPool } from '#migration';
import { ThreadPool } from './thread-pool.js';

/** As many batches as can be under way. */
const MAX_THREADS = 8;

export class CompressionPool implements CompressorPool {
  private readonly pool: ThreadPool<CompressionJob, number>;

  constructor(memory: WebAssembly.Memory) {
    const url = new URL('./compression-worker.js', import.meta.url);
    this.pool = new ThreadPool(() => new Worker(url, { workerData: memory, name: 'compression' }));
  }

  get isFree(): boolean {
    return this.pool.isFree;
  }

  setThreads(threads: number): void {
    this.pool.setThreads(Math.min(threads, MAX_THREADS));
  }

  run(job: CompressionJob): Promise<number> {
    return this.pool.run(job);
  }

  close(): void {
    this.pool.close('compression has ended');
  }
}
