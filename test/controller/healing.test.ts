/** What the controller makes of crashes, silence and contradictions. */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Api, startController } from './api.js';
import { SmallCluster } from './small-cluster.js';

const small = new SmallCluster();
const { api, agents } = small;
let clusterId: string;

beforeAll(async () => {
  clusterId = await small.start({ cooldownSeconds: 0 });
});

afterAll(() => small.close(), 60_000);

const alpha = () => agents[0]!;
const beta = () => agents[1]!;

async function createVm(name: string, host = alpha()) {
  const { id } = await api.post('/vms', { name, clusterId, image: 'pager', memoryMiB: 64, hostId: host.hostId });
  return api.until(`/vms/${id}`, { status: 'up', hostId: host.hostId });
}

test('a controller that was restarted takes up the migrations under way', async () => {
  const vm = await createVm('web-1');
  alpha().holdMigrations = true;
  const migration = await api.post(`/vms/${vm.id}/migrate`);
  await api.until(`/migrations/${migration.id}`, { status: 'precopy' });
  await small.stopController();
  alpha().holdMigrations = false; // it ends while the controller is away
  await vi.waitFor(() => expect(beta().copies.get(vm.id)?.status).toBe('up'), 90_000);
  await small.startController();
  await api.until(`/migrations/${migration.id}`, { status: 'completed', downtimeMs: 12 });
  await api.until(`/vms/${vm.id}`, { status: 'up', hostId: beta().hostId, epoch: 2 });
});

test('an order that got lost is given again', async () => {
  const vm = await createVm('web-2');
  alpha().isDeaf = true;
  const migration = await api.post(`/vms/${vm.id}/migrate`);
  await vi.waitFor(() => expect(alpha().jobs.at(-1)).toMatchObject({ migrationId: migration.id }), 90_000);
  alpha().isDeaf = false; // the first order went to no effect
  await api.until(`/migrations/${migration.id}`, { status: 'completed' });

  beta().isDeaf = true;
  const { id } = await api.post('/vms', { name: 'web-3', clusterId, image: 'pager', hostId: beta().hostId });
  await vi.waitFor(() => expect(beta().jobs.at(-1)).toMatchObject({ kind: 'start', vmId: id }), 90_000);
  beta().isDeaf = false;
  await api.until(`/vms/${id}`, { status: 'up' });
});

test('a start that was given up is not carried out later: the VM may run elsewhere by then', async () => {
  await alpha().stopListening();
  const { id } = await api.post('/vms', { name: 'web-13', clusterId, image: 'pager', hostId: alpha().hostId });
  const db = new Client({ connectionString: small.postgres.url });
  await db.connect();
  await db.query("UPDATE host SET status_since = now() - interval '1 hour'");
  await db.query("UPDATE vm SET status_since = now() - interval '1 hour' WHERE id = $1", [id]);
  await db.end();
  await api.until(`/vms/${id}`, { status: 'down', statusReason: expect.stringContaining('did not start it') });
  await alpha().listen();
  await createVm('web-14'); // an order that was given after it
  expect(alpha().jobs.filter((job) => 'vmId' in job && job.vmId === id)).toEqual([]);
});

test('a migration that fails says why, where and when; the VM runs on', async () => {
  const vm = await createVm('web-9');
  alpha().failMigrations = 'the cable was cut';
  const { id } = await api.post(`/vms/${vm.id}/migrate`);
  const failed = await api.until(`/migrations/${id}`, { status: 'failed' });
  const error = { code: 'stream_broken', phase: 'perform', side: 'destination', message: 'the cable was cut' };
  expect(failed).toMatchObject({ error, endedAt: expect.any(String), iterations: [{ iteration: 1 }] });
  await api.until(`/vms/${vm.id}`, { status: 'up', hostId: alpha().hostId, epoch: 1, migrationCount: 0 });
  alpha().failMigrations = '';
  await vi.waitFor(() => expect(beta().copies.has(vm.id)).toBe(false), 90_000);
});

test('a migration that has not begun is changed in the queue, and cancelled there', async () => {
  const vm = await createVm('web-10');
  await alpha().stopListening();
  const first = await api.post(`/vms/${vm.id}/migrate`);
  await api.call('PATCH', `/migrations/${first.id}/parameters`, { downtimeLimitMs: 777 });
  expect((await api.post(`/migrations/${first.id}/cancel`)).status).toBe('cancelled');
  await api.until(`/vms/${vm.id}`, { status: 'up', hostId: alpha().hostId });
  const second = await api.post(`/vms/${vm.id}/migrate`);
  await api.call('PATCH', `/migrations/${second.id}/parameters`, { downtimeLimitMs: 777 });
  await alpha().listen();
  await api.until(`/migrations/${second.id}`, { status: 'completed' });
  const jobs = alpha().jobs.filter((job) => job.kind === 'migrate' && job.vmId === vm.id);
  expect(jobs).toMatchObject([{ migrationId: second.id, downtimeLimitMs: 777 }]);
});

test('of two copies the one with the higher epoch owns the VM', async () => {
  const vm = await createVm('web-4');
  // As after a restore of an old database: beta runs what the rows know nothing of.
  beta().report(vm.id, vm.epoch + 5, 'up');
  await api.until(`/vms/${vm.id}`, { status: 'up', hostId: beta().hostId, epoch: vm.epoch + 5 });
  await vi.waitFor(() => expect(alpha().destroyed).toContain(`${vm.id}@${vm.epoch}`), 90_000);
  expect(alpha().copies.has(vm.id)).toBe(false);
  const { items } = await api.get(`/events?vmId=${vm.id}&type=vm.found`);
  expect(items.map(({ message }: { message: string }) => message).join()).toMatch(/beta runs it in epoch 6/);
});

test('a VM whose process is gone is down, with the reason; one that ended tells its status', async () => {
  const gone = await createVm('web-5');
  alpha().copies.delete(gone.id);
  await api.until(`/vms/${gone.id}`, { status: 'down', statusReason: expect.stringMatching(/alpha is gone/) });
  const ended = await createVm('web-6');
  alpha().report(ended.id, ended.epoch, 'down', { exitCode: 3 });
  await api.until(`/vms/${ended.id}`, { status: 'down', exitCode: 3 });
  await vi.waitFor(() => expect(alpha().copies.has(ended.id)).toBe(false), 90_000); // stored, so it may be forgotten
});

test('a host that is silent is non_responsive and its VMs unknown, until it is back', async () => {
  const vm = await createVm('web-7');
  alpha().fallSilent();
  await api.until(`/hosts/${alpha().hostId}`, { status: 'non_responsive' });
  await api.until(`/vms/${vm.id}`, { status: 'unknown', statusReason: 'alpha does not answer' });
  expect((await api.call('POST', `/vms/${vm.id}/start`)).status).toBe(409); // it may still run
  expect((await api.call('POST', `/hosts/${alpha().hostId}/activate`)).status).toBe(409);
  alpha().begin();
  await api.until(`/hosts/${alpha().hostId}`, { status: 'up' });
  await api.until(`/vms/${vm.id}`, { status: 'up', statusReason: '' });
});

test('a host in maintenance that falls silent is in maintenance when it is back', async () => {
  await api.post(`/hosts/${beta().hostId}/deactivate`, { reason: 'new fans' });
  await api.until(`/hosts/${beta().hostId}`, { status: 'maintenance' });
  beta().fallSilent();
  await api.until(`/hosts/${beta().hostId}`, { status: 'non_responsive' });
  beta().begin();
  await api.until(`/hosts/${beta().hostId}`, { status: 'maintenance', statusReason: 'new fans' });
  await api.post(`/hosts/${beta().hostId}/activate`);
});

test('an agent may enrol again; its old token is worth nothing', async () => {
  const old = alpha().enrolled.heartbeatToken;
  await alpha().enrol(small.tokens.get(alpha())!);
  const body = alpha().heartbeat();
  const answer = await api.call('POST', '/agents/heartbeat', body, { authorization: `Bearer ${old}` });
  expect(answer.status).toBe(401);
  await api.until(`/hosts/${alpha().hostId}`, { status: 'up' });
});

test('a restart of the controller is not held against the hosts', async () => {
  await small.restartController();
  const { items } = await api.get('/hosts');
  expect(items.map(({ status }: { status: string }) => status)).toEqual(['up', 'up']);
});

test('of two controllers on one database neither hears a heartbeat that was overtaken by one that the other heard', async () => {
  const other = await startController(small.postgres.url);
  const { hostId, enrolled } = alpha();
  alpha().fallSilent();
  const tell = async (to: Api, sentAt: Date, cpuUsedCores: number) => {
    const body = { ...alpha().heartbeat(), sentAt: sentAt.toISOString(), cpuUsedCores };
    const authorization = `Bearer ${enrolled.heartbeatToken}`;
    expect((await to.call('POST', '/agents/heartbeat', body, { authorization })).status).toBe(200);
    return (await api.get(`/hosts/${hostId}`)).cpuUsedCores;
  };
  const sentAt = new Date();
  expect(await tell(api, sentAt, 3.5)).toBe(3.5);
  expect(await tell(new Api(other.url), new Date(sentAt.getTime() - 1), 1.5)).toBe(3.5);
  expect(await tell(new Api(other.url), new Date(sentAt.getTime() + 1), 2.5)).toBe(2.5);
  await other.close();
  alpha().begin();
});

test('while the database is away the controller stays up and says so, and it goes on afterwards', async () => {
  await small.postgres.stop({ keep: true });
  await vi.waitFor(
    async () => {
      const health = await api.call('GET', '/health');
      expect(health).toMatchObject({ status: 503, body: { status: 'degraded', database: 'unreachable' } });
    },
    { timeout: 90_000, interval: 200 },
  );
  const answer = await api.call('GET', '/vms');
  expect(answer).toMatchObject({ status: 503, body: { status: 503 } });
  await small.postgres.ensureRunning();
  await vi.waitFor(async () => expect((await api.call('GET', '/health')).status).toBe(200), {
    timeout: 90_000,
    interval: 200,
  });
  await api.until(`/hosts/${alpha().hostId}`, { status: 'up' });
  await createVm('web-8');
});
