import { createHash, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { HostJob, QueueAccess } from '#contracts';
import { AgentRoles } from '#database';
import { HostQueues, openHostWorker, QUEUE_PREFIX, QUEUE_SCHEMA, queueName, RedisAccess } from '#queue';
import type { EmbeddedPostgres } from '../../tools/postgres.js';
import { startTestPostgres } from '../postgres.js';
import { hasRedis, startTestRedis, type TestRedis } from '../redis.js';

const [hostA, hostB] = [randomUUID(), randomUUID()];
const startJob = (epoch = 1): HostJob => ({
  kind: 'start',
  vmId: randomUUID(),
  epoch,
  spec: { name: 'web-1', vcpus: 1, memoryMiB: 64, image: 'pager', append: '', nics: [], disks: [] },
});

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** Errors that a test did not expect fail it. */
const rethrow = (error: Error) => {
  throw error;
};

function workAndGiveOrders(queues: () => HostQueues, accessOf: (hostId: string) => QueueAccess) {
  test('an order reaches the worker of its host, and no other', async () => {
    const got: Record<string, HostJob[]> = { [hostA]: [], [hostB]: [] };
    const workers = await Promise.all(
      [hostA, hostB].map((host) =>
        openHostWorker(accessOf(host), async (job) => void got[host]!.push(job), { concurrency: 2, onError: rethrow }),
      ),
    );
    const [forA, forB] = [startJob(), startJob()];
    await queues().add(hostA, forA);
    await queues().add(hostB, forB);
    await vi.waitFor(() => expect(got).toEqual({ [hostA]: [forA], [hostB]: [forB] }), 90_000);

    // Once the first one is done, the reconciler may give the order again; until then it is the same order.
    const giveAgain = async () => {
      await queues().add(hostA, forA);
      expect(got[hostA]!.length).toBeGreaterThan(1);
    };
    await vi.waitFor(giveAgain, 90_000);
    for (const job of got[hostA]!) expect(job).toEqual(forA);
    await Promise.all(workers.map((worker) => worker.close()));
    await queues().withdraw(hostA, forA); // it may have been given once more than it was asked for
  });

  test('the same order waits once, and can be withdrawn until it is begun', async () => {
    const [once, withdrawn] = [startJob(), startJob()];
    await queues().add(hostA, once);
    await queues().add(hostA, once);
    await queues().add(hostA, withdrawn);
    expect(await queues().withdraw(hostA, withdrawn)).toBe(true);
    expect(await queues().withdraw(hostA, withdrawn)).toBe(false);

    const got: HostJob[] = [];
    const worker = await openHostWorker(accessOf(hostA), async (job) => void got.push(job), {
      concurrency: 1,
      onError: rethrow,
    });
    const last = startJob();
    await queues().add(hostA, last);
    await vi.waitFor(() => expect(got).toEqual([once, last]), 90_000);
    await worker.close();
  });

  test('an order that fails is tried again, and reported when it fails for good', async () => {
    const errors: string[] = [];
    let calls = 0;
    const worker = await openHostWorker(
      accessOf(hostA),
      async () => {
        calls++;
        throw new Error('no such image');
      },
      { concurrency: 1, onError: (error) => errors.push(error.message) },
    );
    await queues().add(hostA, startJob());
    await vi.waitFor(() => expect(errors).toEqual(['no such image']), 90_000);
    expect(calls).toBe(3);
    await worker.close();
  });

  test('nobody gets in with a wrong password', async () => {
    const access = accessOf(hostA);
    const url = new URL(access.url);
    url.password = 'wrong';
    const options = { concurrency: 1, onError: () => undefined };
    await expect(openHostWorker({ ...access, url: url.href }, async () => undefined, options)).rejects.toThrow(
      /password|WRONGPASS/,
    );
  });
}

describe('on PostgreSQL', () => {
  let postgres: EmbeddedPostgres;
  let queues: HostQueues;
  let db: DataSource;

  const accessOf = (hostId: string): QueueAccess => {
    const url = new URL(postgres.url);
    url.username = queueName(hostId);
    url.password = `secret-of-${hostId}`;
    return { backend: 'postgres', url: url.href, schema: QUEUE_SCHEMA, queue: queueName(hostId) };
  };

  beforeAll(async () => {
    postgres = await startTestPostgres();
    queues = await HostQueues.open({ backend: 'postgres', url: postgres.url }, rethrow);
    db = await new DataSource({ type: 'postgres', url: postgres.url }).initialize();
    const roles = new AgentRoles(db, QUEUE_SCHEMA);
    await roles.protect();
    await roles.protect();
    for (const host of [hostA, hostB]) await roles.grant(queueName(host), `secret-of-${host}`);
  }, 120_000);

  afterAll(async () => {
    await queues?.close();
    await db?.destroy();
    await postgres?.stop();
  });

  workAndGiveOrders(
    () => queues,
    (hostId) => accessOf(hostId),
  );

  test("an agent sees its own queue's rows and no table of the controller", async () => {
    await db.query('CREATE SCHEMA drover');
    await db.query('CREATE TABLE drover.secret (word text)');
    await queues.add(hostA, startJob());
    await queues.add(hostB, startJob());
    const agent = new Client(accessOf(hostA).url);
    await agent.connect();
    const { rows } = await agent.query('SELECT DISTINCT queue FROM queue.job');
    expect(rows).toEqual([{ queue: queueName(hostA) }]);
    const { rowCount } = await agent.query(`DELETE FROM queue.job WHERE queue = '${queueName(hostB)}'`);
    expect(rowCount).toBe(0);
    const forbidden = [
      'SELECT * FROM drover.secret',
      'CREATE TABLE queue.mine (x int)',
      'CREATE TABLE public.mine (x int)',
      `INSERT INTO queue.job (queue, id, seq, name, state, added_at_ms) VALUES ('${queueName(hostB)}', 'x', 1, 'start', 'waiting', 0)`,
      'CREATE ROLE friend LOGIN',
      'SELECT rolpassword FROM pg_authid',
    ];
    for (const statement of forbidden)
      await expect(agent.query(statement)).rejects.toThrow(/permission denied|row-level security/);
    await agent.end();
  });

  test('all queues share two connections', async () => {
    for (let host = 0; host < 20; host++) await queues.add(randomUUID(), startJob());
    const [{ count }] = await db.query(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'drover-queue'`,
    );
    expect(count).toBeLessThanOrEqual(2);
  });
});

describe.skipIf(!hasRedis)('on Redis', () => {
  let redis: TestRedis;
  let queues: HostQueues;
  let access: RedisAccess;
  const errors: Error[] = [];

  const accessOf = (hostId: string): QueueAccess => {
    const url = new URL(redis.url);
    url.username = queueName(hostId);
    url.password = `secret-of-${hostId}`;
    return { backend: 'redis', url: url.href, prefix: QUEUE_PREFIX, queue: queueName(hostId) };
  };

  beforeAll(async () => {
    redis = await startTestRedis();
    queues = await HostQueues.open({ backend: 'redis', url: redis.url }, (error) => errors.push(error));
    access = new RedisAccess(
      redis.url,
      async () => {
        for (const host of [hostA, hostB]) await access.grant(host, sha256(`secret-of-${host}`));
      },
      (error) => errors.push(error),
    );
    await vi.waitFor(async () => {
      const probe = await openHostWorker(accessOf(hostB), async () => undefined, { concurrency: 1, onError: rethrow });
      await probe.close();
    }, 90_000);
  }, 90_000);

  afterAll(async () => {
    access?.close();
    await queues?.close();
    await redis?.stop();
  });

  workAndGiveOrders(
    () => queues,
    (hostId) => accessOf(hostId),
  );

  test("an agent reaches its own queue's keys and nothing else", async () => {
    await queues.add(hostB, startJob());
    const agent = new Redis(accessOf(hostA).url);
    await agent.set(`${QUEUE_PREFIX}:${queueName(hostA)}:x`, '1');
    const foreign = `${QUEUE_PREFIX}:${queueName(hostB)}:meta`;
    const forbidden = [
      () => agent.hgetall(foreign),
      () => agent.eval(`return redis.call('HGETALL', '${foreign}')`, 0),
      () => agent.keys('*'),
      () => agent.flushall(),
      () => agent.acl('LIST'),
      () => agent.config('GET', '*'),
      () => agent.publish('any', 'thing'),
    ];
    for (const attempt of forbidden)
      await expect(attempt()).rejects.toThrow(/NOPERM|can't access at least one of the keys/);
    agent.disconnect();
  });

  test('a Redis that lost its users gets them back', async () => {
    await redis.restart();
    const got: HostJob[] = [];
    const worker = await vi.waitFor(
      () =>
        openHostWorker(accessOf(hostA), async (job) => void got.push(job), {
          concurrency: 1,
          onError: (error) => errors.push(error),
        }),
      { timeout: 90_000, interval: 500 },
    );
    const job = startJob();
    await vi.waitFor(() => queues.add(hostA, job), { timeout: 90_000, interval: 500 });
    await vi.waitFor(() => expect(got).toContainEqual(job), 90_000);
    await worker.close();
  });
});
