/** The threads that hash pages: for comparison at the source of a migration, and while a checkpoint is loaded at its destination. */
import { closeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { HASHED_PAGES, type Checkpoint, type PageHasher } from '#migration';
import type { CheckpointContent, OpenCheckpoint } from './checkpoint-file.js';
import { ThreadPool } from './thread-pool.js';

/** More than these are faster than most links. */
const THREADS = Math.min(4, availableParallelism());

export type HashOrder =
  /** -> the pages that have those hashes. */
  | { readonly kind: 'compare'; readonly hashes: Uint8Array }
  /** Puts that part of a checkpoint into RAM. -> its HASHES. */
  | { readonly kind: 'load'; readonly content: CheckpointContent; readonly from: number; readonly pages: Uint32Array };

function newPool<Answer>(memory: WebAssembly.Memory): ThreadPool<HashOrder, Answer> {
  const url = new URL('./hash-worker.js', import.meta.url);
  return new ThreadPool(() => new Worker(url, { workerData: memory, name: 'hashing' }), THREADS);
}

export function newPageHasher(memory: WebAssembly.Memory): PageHasher {
  const pool = newPool<Uint32Array>(memory);
  return {
    threads: THREADS,
    samePages: (hashes) => pool.run({ kind: 'compare', hashes }),
    close: () => pool.close('the comparison has ended'),
  };
}

/** Loads an open checkpoint once, and closes it. What cannot be read is left out: `onError` hears why. */
export class CheckpointLoader implements Checkpoint {
  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly checkpoint: OpenCheckpoint,
    private readonly onError: (error: Error) => void,
  ) {}

  async *load(): AsyncGenerator<Uint8Array> {
    const pool = newPool<Uint8Array>(this.memory);
    const underWay: Promise<Uint8Array>[] = [];
    try {
      for (let from = 0; from < this.checkpoint.pages.length; from += HASHED_PAGES) {
        underWay.push(this.loadPart(pool, from));
        if (underWay.length > THREADS) yield await underWay.shift()!;
      }
      while (underWay.length > 0) yield await underWay.shift()!;
    } finally {
      await Promise.all(underWay);
      pool.close('the checkpoint is loaded');
      closeSync(this.checkpoint.fd);
    }
  }

  private loadPart(pool: ThreadPool<HashOrder, Uint8Array>, from: number): Promise<Uint8Array> {
    const { fd, contentAt, pages } = this.checkpoint;
    const part = pages.slice(from, from + HASHED_PAGES);
    const order = { kind: 'load', content: { fd, contentAt }, from, pages: part } as const;
    return pool.run(order).catch((error: Error) => {
      this.onError(error);
      return new Uint8Array();
    });
  }
}
