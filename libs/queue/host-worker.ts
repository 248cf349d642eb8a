import { setTimeout } from 'node:timers/promises';
import { createPostgresBackend, type Job, UnrecoverableError, withBackend, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { HostJob, type QueueAccess } from '#contracts';

export interface HostWorker {
  /** Takes no more orders and waits for the ones that are being carried out. */
  close(): Promise<void>;
}

interface Options {
  /** Orders that are carried out at the same time. */
  readonly concurrency: number;
  /** A lost connection (it heals by itself), or an order that failed for good. */
  readonly onError: (error: Error) => void;
}

/** How long a server may take to part, once no order is being carried out any more. */
const CLOSE_GRACE_MS = 3000;

/**
 * The agent's end: calls `handler` for each order. A handler that throws is called again, three times in all; so is one
 * whose process died in the middle. Uses two connections: one to work and one to wait on.
 * Rejects if the queue cannot be reached now.
 */
export async function openHostWorker(
  access: QueueAccess,
  handler: (job: HostJob) => Promise<void>,
  { concurrency, onError }: Options,
): Promise<HostWorker> {
  const working = new Set<Promise<void>>();
  const process = async ({ data }: Job<unknown>): Promise<void> => {
    const job = HostJob.safeParse(data);
    if (!job.success) throw new UnrecoverableError(`not an order: ${job.error.message}`);
    const work = handler(job.data);
    working.add(work);
    await work.finally(() => working.delete(work));
  };
  if (access.backend === 'redis') await assertRedisAnswers(access.url);
  // A dead agent's orders are taken up again within seconds of its restart.
  const options = { concurrency, lockDuration: 10_000, stalledInterval: 5_000, maxStalledCount: 3 };
  const worker = openWorker(access, process, options);
  worker.on('error', onError);
  worker.on('failed', (job, error) => {
    if (job && job.attemptsMade >= (job.opts.attempts ?? 1)) onError(error);
  });
  try {
    await worker.waitUntilReady();
  } catch (error) {
    await worker.close(true).catch(onError);
    throw error;
  }
  return {
    close: async () => {
      const closed = worker.close();
      await Promise.allSettled(working);
      if (await isSettledWithin(closed, CLOSE_GRACE_MS)) return;
      // The server is away, or does not know this user any more, and BullMQ would wait for it.
      for (const ended of [worker.disconnect(), worker.getBackend().disconnectBlocking(false)]) ended.catch(onError);
    },
  };
}

const isSettledWithin = (promise: Promise<void>, milliseconds: number): Promise<boolean> =>
  Promise.race([promise.then(() => true), setTimeout(milliseconds, false, { ref: false })]);

function openWorker(
  access: QueueAccess,
  process: (job: Job<unknown>) => Promise<void>,
  options: { concurrency: number; lockDuration: number; stalledInterval: number; maxStalledCount: number },
): Worker<unknown, void> {
  if (access.backend === 'redis')
    return new Worker(access.queue, process, {
      ...options,
      prefix: access.prefix,
      connection: { ...redisAddress(access.url), maxRetriesPerRequest: null },
    });
  const { Worker: PostgresWorker } = withBackend(createPostgresBackend);
  const connection = { connectionString: access.url, schema: access.schema, max: 1 };
  return new PostgresWorker(access.queue, process, { ...options, connection }) as unknown as Worker<unknown, void>;
}

/** Rejects if it is away or the password is wrong: a worker would only try again and again, and not say so. */
async function assertRedisAnswers(url: string): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  let cause: Error | undefined;
  client.on('error', (error) => (cause = error));
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    throw cause ?? error;
  } finally {
    client.disconnect();
  }
}

/** BullMQ wants the parts of a Redis address rather than its URL. */
function redisAddress(address: string) {
  const url = new URL(address);
  return {
    host: url.hostname,
    port: Number(url.port || 6379),
    username: decodeURIComponent(url.username) || undefined,
    password: decodeURIComponent(url.password) || undefined,
    db: Number(url.pathname.slice(1) || 0),
    tls: url.protocol === 'rediss:' ? {} : undefined,
  };
}
