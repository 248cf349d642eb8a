/** The controller through its API, on a real PostgreSQL and real queues, with agents that only pretend to run VMs. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Server } from '../../apps/controller/server.js';
import type { EmbeddedPostgres } from '../../tools/postgres.js';
import { startTestPostgres } from '../postgres.js';
import { hasRedis, startTestRedis, type TestRedis } from '../redis.js';
import { Api, startController } from './api.js';
import { FakeAgent } from './fake-agent.js';

for (const backend of ['PostgreSQL', 'Redis'] as const)
  describe.skipIf(backend === 'Redis' && !hasRedis)(`with queues on ${backend}`, () => {
    let postgres: EmbeddedPostgres;
    let redis: TestRedis | undefined;
    let server: Server;
    let api: Api;
    let clusterId: string;
    const agents: FakeAgent[] = [];

    beforeAll(async () => {
      postgres = await startTestPostgres();
      redis = backend === 'Redis' ? await startTestRedis() : undefined;
      server = await startController(postgres.url, redis?.url);
      api = new Api(server.url);
      ({ id: clusterId } = await api.post('/clusters', { name: 'main', cooldownSeconds: 1 }));
      for (const name of ['alpha', 'beta', 'gamma']) {
        const { enrolmentToken } = await api.post('/hosts', { name, clusterId });
        await FakeAgent.start(server.url, enrolmentToken, agents);
      }
    }, 120_000);

    afterAll(async () => {
      for (const agent of agents) await agent.stop();
      await server?.close();
      await redis?.stop();
      await postgres?.stop();
    }, 60_000);

    const createVm = async (name: string, more: object = {}) => {
      const body = { name, clusterId, image: 'pager', memoryMiB: 64, ...more };
      const vm = await api.post('/vms', body);
      expect(vm).toMatchObject({ status: 'starting', epoch: 1 });
      return api.until(`/vms/${vm.id}`, { status: 'up' });
    };

    test('a VM starts, moves as ordered, and tells how it went', async () => {
      const vm = await createVm('web-1', { hostId: agents[0]!.hostId });
      expect(vm).toMatchObject({ hostId: agents[0]!.hostId, startedAt: expect.any(String) });

      const order = { destinationHostId: agents[1]!.hostId, reason: 'a test' };
      const migration = await api.post(`/vms/${vm.id}/migrate`, order);
      expect(migration).toMatchObject({ status: 'queued', trigger: 'manual', reason: 'a test', ordinal: 1, epoch: 2 });

      const done = await api.until(`/migrations/${migration.id}`, { status: 'completed' });
      expect(done).toMatchObject({ downtimeMs: 12, totalMs: 345, iterations: [{ pages: 10 }], error: null });
      expect(done.timeline.map(({ status }: { status: string }) => status)).toEqual(
        expect.arrayContaining(['planned', 'queued', 'precopy', 'completed']),
      );
      await api.until(`/vms/${vm.id}`, {
        status: 'up',
        hostId: agents[1]!.hostId,
        epoch: 2,
        migrationCount: 1,
        cooldownUntil: expect.any(String),
      });
      await vi.waitFor(() => expect(agents[0]!.migrations.size + agents[0]!.copies.size).toBe(0), 20_000);
    });
  });
