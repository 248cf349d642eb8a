/** Orders by the controller's API through either queue, carried out by agents that only pretend to run VMs. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hasRedis, startTestRedis, type TestRedis } from '../redis.js';
import { FakeAgent } from './fake-agent.js';
import { SmallCluster } from './small-cluster.js';

const backends = hasRedis ? ['PostgreSQL', 'Redis'] : ['PostgreSQL'];

describe.each(backends)('with queues on %s', (backend) => {
  const small = new SmallCluster();
  const { api, agents } = small;
  let redis: TestRedis | undefined;
  let clusterId: string;

  beforeAll(async () => {
    if (backend === 'Redis') redis = await startTestRedis();
    clusterId = await small.start({ cooldownSeconds: 1 }, ['alpha', 'beta', 'gamma'], redis?.url);
  });
  afterAll(async () => {
    await small.close();
    await redis?.stop();
  });

  const createVm = (name: string, more: object = {}) => small.createVm({ name, clusterId, ...more });
  const agentOf = (hostId: string) => agents.find((agent) => agent.hostId === hostId)!;

  test('a VM starts, moves as ordered, and tells how it went', async () => {
    const hostId = agents[0]!.hostId;
    const wanted = { name: 'web-1', clusterId, image: 'pager', memoryMiB: 64, hostId };
    const { id, ...ordered } = await api.post('/vms', wanted);
    expect(ordered).toMatchObject({ status: 'starting', epoch: 1 });
    const vm = await api.until(`/vms/${id}`, { status: 'up' });
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
    await vi.waitFor(() => expect(agents[0]!.migrations.size + agents[0]!.copies.size).toBe(0), 90_000);
    const { items } = await api.get(`/events?vmId=${vm.id}&type=vm.migrated`);
    expect(items[0].message).toBe('web-1 moved from alpha to beta in 345 ms, paused for 12 ms');
  });

  test('a VM can be paused, resumed, stopped, started and deleted; its console is read and written', async () => {
    const { id, hostId } = await createVm('web-2');
    await api.post(`/vms/${id}/pause`);
    await api.until(`/vms/${id}`, { status: 'paused', guest: { hostName: 'guest of epoch 1' } });
    expect((await api.call('POST', `/vms/${id}/migrate`)).status).toBe(409);
    await api.post(`/vms/${id}/resume`);
    await api.until(`/vms/${id}`, { status: 'up', consoleTail: 'beat \ufffd 1' });

    expect(await api.get(`/vms/${id}/console?offset=7`)).toEqual({ offset: 7, next: 12, text: 'hello' });
    await api.post(`/vms/${id}/console`, { text: 'ls\n' });
    expect(agentOf(hostId).direct.get(`POST /v1/vms/${id}/console`)).toEqual({ text: 'ls\n' });

    expect((await api.call('DELETE', `/vms/${id}`)).status).toBe(409);
    expect(await api.post(`/vms/${id}/stop`)).toMatchObject({ status: 'stopping' });
    await api.until(`/vms/${id}`, { status: 'down', hostId: null, exitCode: 0, guest: null });
    expect((await api.call('GET', `/vms/${id}/console`)).status).toBe(409);
    expect(await api.post(`/vms/${id}/start`)).toMatchObject({ status: 'starting', epoch: 2 });
    await api.until(`/vms/${id}`, { status: 'up', exitCode: null });
    await api.post(`/vms/${id}/stop`, { mode: 'power_off' });
    await api.until(`/vms/${id}`, { status: 'down' });
    expect((await api.call('DELETE', `/vms/${id}`)).status).toBe(204);
    expect((await api.call('GET', `/vms/${id}`)).status).toBe(404);
  });

  test('a migration is changed while it runs, and cancelled', async () => {
    const { id, hostId } = await createVm('web-3');
    const source = agentOf(hostId);
    source.holdMigrations = true;
    const migration = await api.post(`/vms/${id}/migrate`);
    const running = await api.until(`/migrations/${migration.id}`, { status: 'precopy', progress: { iteration: 1 } });
    expect(running.startedAt).toEqual(expect.any(String));
    expect(await api.get('/migrations?active=true')).toMatchObject({ items: [{ id: migration.id }] });
    expect((await api.call('POST', `/vms/${id}/migrate`)).status).toBe(409);

    await api.call('PATCH', `/migrations/${migration.id}/parameters`, { downtimeLimitMs: 900 });
    const path = `PATCH /v1/migrations/${migration.id}/parameters`;
    expect(source.direct.get(path)).toEqual({ downtimeLimitMs: 900 });

    await api.post(`/migrations/${migration.id}/cancel`);
    await api.until(`/migrations/${migration.id}`, { status: 'cancelled', endedAt: expect.any(String) });
    await api.until(`/vms/${id}`, { status: 'up', hostId, epoch: 1, migrationCount: 0 });
    const destination = agentOf(migration.destinationHostId);
    await vi.waitFor(() => expect(destination.destroyed).toContain(`${id}@2`), 90_000);
    expect((await api.call('POST', `/migrations/${migration.id}/cancel`)).status).toBe(409);
    source.holdMigrations = false;

    // The next attempt has an epoch of its own.
    const second = await api.post(`/vms/${id}/migrate`);
    expect(second).toMatchObject({ ordinal: 2, epoch: 3 });
    await api.until(`/migrations/${second.id}`, { status: 'completed' });
  });

  test('a host that is deleted has no say any more', async () => {
    const { enrolmentToken, id } = await api.post('/hosts', { name: 'delta', clusterId });
    const delta = await FakeAgent.start(api.base, enrolmentToken, []);
    const vm = await createVm('last-1', { hostId: id });
    expect((await api.call('DELETE', `/hosts/${id}`)).status).toBe(409);
    await api.post(`/vms/${vm.id}/stop`);
    await api.until(`/vms/${vm.id}`, { status: 'down' });
    const { heartbeatToken } = delta.enrolled;
    const headers = { authorization: `Bearer ${heartbeatToken}` };
    const nonsense = await api.call('POST', '/agents/certificate', { certificateRequest: 'x' }, headers);
    expect(nonsense).toMatchObject({ status: 400, body: { errors: [{ field: 'certificateRequest' }] } });
    expect((await api.call('DELETE', `/hosts/${id}`)).status).toBe(204);
    expect((await api.call('POST', '/agents/heartbeat', delta.heartbeat(), headers)).status).toBe(401);
    expect((await api.call('POST', '/agents/certificate', { certificateRequest: 'x' }, headers)).status).toBe(401);
    await delta.stopListening();
    await expect(delta.listen()).rejects.toThrow(/password|WRONGPASS/);
    await delta.stop();
  });
});
