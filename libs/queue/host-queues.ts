import { createPostgresBackend, PostgresConnection, PostgresQueueBackend, Queue, withBackend } from 'bullmq';
import { Redis } from 'ioredis';
import type { HostJob } from '#contracts';
import { identityOf, QUEUE_PREFIX, QUEUE_SCHEMA, queueName } from './names.js';

/** Where the queues live. */
export type QueueServer =
  { readonly backend: 'postgres'; readonly url: string } | { readonly backend: 'redis'; readonly url: string };

/** Redis if there is one, else the database that is there anyway. */
export const chooseQueueServer = (databaseUrl: string, redisUrl: string | undefined): QueueServer =>
  redisUrl ? { backend: 'redis', url: redisUrl } : { backend: 'postgres', url: databaseUrl };

/** One connection for the queues of all hosts. */
interface SharedConnection {
  queue(name: string): Queue<HostJob>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

type OnError = (error: Error) => void;

const JOB_OPTIONS = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 500 },
  removeOnComplete: true, // the heartbeat tells how it went; a finished job tells nobody anything
  removeOnFail: { age: 24 * 3600, count: 100 },
};
const QUEUE_OPTIONS = { defaultJobOptions: JOB_OPTIONS, streams: { events: { maxLen: 100 } } };

async function connectPostgres(url: string, onError: OnError): Promise<SharedConnection> {
  const options = { connectionString: url, schema: QUEUE_SCHEMA, max: 2, migrate: true };
  const connection = new PostgresConnection({ ...options, application_name: 'drover-queue' });
  connection.on('error', onError);
  const { Queue: PostgresQueue } = withBackend(
    ((name, opts) => new PostgresQueueBackend(connection, name, opts, false)) as typeof createPostgresBackend,
  );
  try {
    await connection.waitUntilReady();
  } catch (error) {
    await connection.close();
    throw error;
  }
  return {
    // The connection is the shared one; BullMQ's options demand an address all the same.
    queue: (name) => new PostgresQueue(name, { connection: url, ...QUEUE_OPTIONS }) as unknown as Queue<HostJob>,
    ping: async () => {
      await connection.pool.query('SELECT 1');
    },
    close: () => connection.close(),
  };
}

async function connectRedis(url: string, onError: OnError): Promise<SharedConnection> {
  // An order is not worth waiting for a server that is away: the reconciler gives it again.
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1, enableOfflineQueue: false });
  client.on('error', onError);
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    throw error;
  }
  return {
    queue: (name) => new Queue<HostJob>(name, { connection: client, prefix: QUEUE_PREFIX, ...QUEUE_OPTIONS }),
    ping: async () => {
      await client.ping();
    },
    close: async () => client.disconnect(),
  };
}

/** The controller's end: puts orders into the queues of hosts, over one connection whatever their number. */
export class HostQueues {
  private readonly queues = new Map<string, Queue<HostJob>>();

  private constructor(
    private readonly connection: SharedConnection,
    private readonly onError: OnError,
    private readonly beginClosing: () => void,
  ) {}

  /**
   * Connects, and on PostgreSQL creates or upgrades the schema. Rejects if the server cannot be reached; later losses
   * of the connection go to `onError` and heal by themselves.
   */
  static async open(server: QueueServer, onError: OnError): Promise<HostQueues> {
    const connect = server.backend === 'redis' ? connectRedis : connectPostgres;
    let isClosing = false;
    const report: OnError = (error) => {
      if (!isClosing) onError(error); // that a connection ends is no news then
    };
    const connection = await connect(server.url, report);
    return new HostQueues(connection, report, () => (isClosing = true));
  }

  /** Gives the order, unless the same order waits or is being carried out. */
  async add(hostId: string, job: HostJob): Promise<void> {
    await this.queueOf(hostId).add(job.kind, job, { deduplication: { id: identityOf(job) } });
  }

  /** Takes an order back that nobody has begun; false if it is gone or being carried out. */
  async withdraw(hostId: string, job: HostJob): Promise<boolean> {
    const queue = this.queueOf(hostId);
    const jobId = await queue.getDeduplicationJobId(identityOf(job));
    const waiting = jobId ? await queue.getJob(jobId) : undefined;
    if (!waiting || (await waiting.isActive())) return false;
    await waiting.remove();
    return true;
  }

  /** Deletes a host's queue and all in it. */
  async remove(hostId: string): Promise<void> {
    await this.queueOf(hostId).obliterate({ force: true });
    this.queues.delete(hostId);
  }

  /** Rejects if the server does not answer. */
  ping(): Promise<void> {
    return this.connection.ping();
  }

  async close(): Promise<void> {
    this.beginClosing();
    await Promise.all([...this.queues.values()].map((queue) => queue.close()));
    await this.connection.close();
  }

  private queueOf(hostId: string): Queue<HostJob> {
    const known = this.queues.get(hostId);
    if (known) return known;
    const queue = this.connection.queue(queueName(hostId));
    queue.on('error', this.onError);
    this.queues.set(hostId, queue);
    return queue;
  }
}
