/** The controller through its API, on a real PostgreSQL and real queues, with agents that only pretend to run VMs. */
import { createHmac } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ADMIN_TOKEN } from './api.js';
import type { FakeAgent } from './fake-agent.js';
import { SmallCluster } from './small-cluster.js';

const small = new SmallCluster();
const { api, agents } = small;
let clusterId: string;

beforeAll(async () => {
  clusterId = await small.start({ cooldownSeconds: 1 }, ['alpha', 'beta', 'gamma']);
});
afterAll(() => small.close());

const createVm = (name: string, more: object = {}) => small.createVm({ name, clusterId, ...more });
const agentOf = (hostId: string) => agents.find((agent) => agent.hostId === hostId)!;

test('local disks stay with their host; they are made once, and removed with their VM', async () => {
  const [alpha, beta] = agents.map(({ hostId }) => hostId) as [string, string];
  const storage = { name: 'fast', clusterId, kind: 'local', path: 'disks' };
  const domain = await api.post('/storage-domains', storage);
  expect((await api.call('POST', '/storage-domains', storage)).status).toBe(409);
  const relative = await api.call('POST', '/storage-domains', { ...storage, name: 'nfs', kind: 'shared' });
  expect([relative.status, relative.body.errors[0].field]).toEqual([400, 'path']);

  const disk = { storageDomainId: domain.id, sizeMiB: 32 };
  const vm = await createVm('db-1', { hostId: alpha, disks: [disk, { ...disk, name: 'log' }] });
  expect(vm).toMatchObject({ disks: [{ name: 'disk-1', kind: 'local', path: 'disks' }, { name: 'log' }] });
  expect(vm.diskHostId).toBe(alpha);
  const starts = (agent: FakeAgent) =>
    agent.jobs.flatMap((job) => (job.kind === 'start' && job.vmId === vm.id ? job : []));
  expect(starts(agentOf(alpha))[0]).toMatchObject({ makeDisks: true, spec: { disks: vm.disks } });
  expect(await api.get(`/storage-domains/${domain.id}`)).toMatchObject({ diskCount: 2, diskMiB: 64 });

  await api.post(`/vms/${vm.id}/stop`, { mode: 'power_off' });
  await api.until(`/vms/${vm.id}`, { status: 'down', diskHostId: alpha });
  const elsewhere = await api.call('POST', `/vms/${vm.id}/start`, { hostId: beta });
  expect([elsewhere.status, elsewhere.body.detail]).toEqual([
    409,
    'VM db-1 finds no host: its local disks are on alpha',
  ]);
  await api.post(`/vms/${vm.id}/start`, {});
  await api.until(`/vms/${vm.id}`, { status: 'up', hostId: alpha });
  expect(starts(agentOf(alpha)).at(-1)).toMatchObject({ epoch: 2, makeDisks: false });

  await api.post(`/vms/${vm.id}/migrate`, { destinationHostId: beta });
  await api.until(`/vms/${vm.id}`, { status: 'up', hostId: beta, diskHostId: beta });
  await api.post(`/vms/${vm.id}/stop`, { mode: 'power_off' });
  await api.until(`/vms/${vm.id}`, { status: 'down' });
  expect((await api.call('DELETE', `/storage-domains/${domain.id}`)).status).toBe(409);
  await api.call('DELETE', `/vms/${vm.id}`);
  const removal = { kind: 'remove_disks', vmId: vm.id, disks: vm.disks };
  await vi.waitFor(() => expect(agentOf(beta).jobs.at(-1)).toMatchObject(removal), 90_000);
  expect((await api.call('DELETE', `/storage-domains/${domain.id}`)).status).toBe(204);
});

test('network cards have addresses that stay; hosts learn of each other, with a key for each pair', async () => {
  const vm = await createVm('net-1', { hostId: agents[0]!.hostId, nics: [{ network: 'lan' }, { network: 'dmz' }] });
  const mac = expect.stringMatching(/^.[26ae](:[0-9a-f]{2}){5}$/);
  expect(vm.nics).toEqual([
    { network: 'lan', mac },
    { network: 'dmz', mac },
  ]);
  expect(vm.nics[0].mac).not.toBe(vm.nics[1].mac);
  await api.post(`/vms/${vm.id}/migrate`, { destinationHostId: agents[1]!.hostId });
  expect(await api.until(`/vms/${vm.id}`, { status: 'up', epoch: 2 })).toMatchObject({ nics: vm.nics });
  const specs = agents[0]!.jobs.flatMap((job) => ('spec' in job && job.vmId === vm.id ? [job.spec] : []));
  expect(specs.map(({ nics }) => nics)).toEqual([vm.nics, vm.nics]); // of the start, and of the migration

  const keyTo = (to: FakeAgent, from: FakeAgent) =>
    createHmac('sha256', to.token).update(`tunnel:${from.hostId}:${to.hostId}`).digest('base64url');
  const others = agents
    .slice(1)
    .map((to) => ({ hostId: to.hostId, address: '127.0.0.1:7430', key: keyTo(to, agents[0]!) }));
  await vi.waitFor(() => {
    expect(agents[0]!.tunnels.toSorted((a, b) => (a.hostId < b.hostId ? -1 : 1))).toEqual(
      others.toSorted((a, b) => (a.hostId < b.hostId ? -1 : 1)),
    );
  }, 90_000);
});

test('a VM on QEMU runs where its QEMU is, and nowhere else', async () => {
  const [, beta] = agents;
  beta!.drivers.push({ hypervisor: 'qemu', architecture: 'x86_64', accelerator: 'kvm', version: '7.2.22' });
  await api.until(`/hosts/${beta!.hostId}`, { drivers: beta!.drivers });
  const x86 = { hypervisor: 'qemu', architecture: 'x86_64' };
  const vm = await createVm('pc-1', x86);
  expect(vm).toMatchObject({ hostId: beta!.hostId, ...x86 });
  const started = beta!.jobs.find((job) => job.kind === 'start' && job.vmId === vm.id);
  expect(started).toMatchObject({ spec: x86 });
  const answer = await api.call('POST', `/vms/${vm.id}/migrate`, { destinationHostId: agents[0]!.hostId });
  expect(answer.status).toBe(409);
  expect(JSON.stringify(answer.body)).toContain('alpha has no QEMU for x86_64');
  const impossible = { name: 'pc-2', clusterId, image: 'pager', architecture: 'x86_64' };
  const refused = await api.call('POST', '/vms', impossible);
  expect(refused.status).toBe(400);
  expect(JSON.stringify(refused.body)).toContain('choose hypervisor qemu');
  await api.post(`/vms/${vm.id}/stop`, { mode: 'power_off' });
});

test('a VM gets as much memory as a host of its cluster gives a guest, and runs where that is', async () => {
  const [alpha, beta] = agents;
  alpha!.size.memoryMiB = beta!.size.memoryMiB = 16_384;
  const large = { name: 'large-1', clusterId, image: 'pager', memoryMiB: 6000 };
  const refused = await api.call('POST', '/vms', large);
  expect(refused.status).toBe(400);
  expect(refused.body.errors).toEqual([
    {
      field: 'memoryMiB',
      message: expect.stringMatching(/^the hosts .* up to 3584 MiB; choose at most that, .*24/),
    },
  ]);
  beta!.drivers[0]!.maxMemoryMiB = 15_872;
  await api.until(`/hosts/${alpha!.hostId}`, { memoryMiB: 16_384 });
  await api.until(`/hosts/${beta!.hostId}`, { memoryMiB: 16_384, drivers: beta!.drivers });
  const more = await api.call('POST', '/vms', { ...large, memoryMiB: 16_000 });
  expect(JSON.stringify(more.body.errors)).toContain('up to 15872 MiB');
  const vm = await createVm(large.name, large);
  expect(vm).toMatchObject({ hostId: beta!.hostId, memoryMiB: 6000 });
  const answer = await api.call('POST', `/vms/${vm.id}/migrate`, { destinationHostId: alpha!.hostId });
  expect(answer.status).toBe(409);
  expect(answer.body.detail).toContain('alpha gives guests up to 3584 MiB of memory, the VM needs 6000 MiB');
  await api.post(`/vms/${vm.id}/stop`, { mode: 'power_off' });
  await api.until(`/vms/${vm.id}`, { status: 'down' });
  alpha!.size.memoryMiB = beta!.size.memoryMiB = 4096;
  for (const { hostId } of [alpha!, beta!]) await api.until(`/hosts/${hostId}`, { memoryMiB: 4096 });
});

test('a migration takes its share of the link that its host tells of', async () => {
  const policy = await api.post('/migration-policies', { name: 'sharing', bandwidthSharePercent: 50 });
  const { id, hostId } = await createVm('web-share', { migrationPolicyId: policy.id });
  const source = agentOf(hostId);
  source.linkMiBps = 100;
  source.holdMigrations = true;
  const migration = await api.post(`/vms/${id}/migrate`);
  const told = [{ migrationId: migration.id, bandwidthMiBps: 50 }];
  await vi.waitFor(() => expect(source.bandwidths).toEqual(told), 90_000);
  await api.post(`/migrations/${migration.id}/cancel`);
  await api.until(`/migrations/${migration.id}`, { status: 'cancelled' });
  source.holdMigrations = false;
  source.linkMiBps = null;
  await api.post(`/vms/${id}/stop`, { mode: 'power_off' });
  await api.until(`/vms/${id}`, { status: 'down' });
  expect((await api.call('DELETE', `/vms/${id}`)).status).toBe(204);
  const contradiction = { name: 'odd', tunnelled: true, encryption: 'never' };
  expect(await api.call('POST', '/migration-policies', contradiction)).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'encryption' }] },
  });
});

test('what VMs use of the network counts on the links of their hosts; what nobody knows is unknown', async () => {
  const { id, hostId } = await createVm('web-net');
  const host = agentOf(hostId);
  Object.assign(host, { linkMiBps: 100, networkMiBps: 25 });
  await api.until(`/vms/${id}`, { networkUsedMiBps: 25 });
  const here = (await api.get(`/vms?hostId=${hostId}`)).items.length;
  await api.until(`/hosts/${hostId}`, { linkMiBps: 100, networkUsedMiBps: 25 * here });
  const { hosts } = await api.get(`/vms/${id}/placement`);
  const percents = hosts.map((each: { networkPercent: number | null }) => each.networkPercent);
  expect(percents).toEqual([expect.any(Number), null, null]); // nobody knows the other links
  expect(percents[0]).toBeGreaterThan(0);
  const authorization = `Bearer ${ADMIN_TOKEN}`;
  const metrics = await fetch(`${api.base}/metrics`, { headers: { authorization } });
  expect(await metrics.text()).toMatch(/^drover_host_link_bytes_per_second\{host="[^"]+"\} 104857600$/m);

  host.networkMiBps = null;
  await api.until(`/vms/${id}`, { networkUsedMiBps: null });
  await api.until(`/hosts/${hostId}`, { networkUsedMiBps: null });
  Object.assign(host, { linkMiBps: null, networkMiBps: 0 });
  await api.post(`/vms/${id}/stop`, { mode: 'power_off' });
  await api.until(`/vms/${id}`, { status: 'down', networkUsedMiBps: null });
  expect((await api.call('DELETE', `/vms/${id}`)).status).toBe(204);
});

test('a host in maintenance is emptied, avoided, and comes back', async () => {
  const vms = [];
  for (const name of ['db-1', 'db-2', 'db-3']) vms.push(await createVm(name, { hostId: agents[2]!.hostId }));
  const { hostId } = agents[2]!;
  expect((await api.call('POST', `/hosts/${hostId}/deactivate`, { reason: '  ' })).status).toBe(400);
  const answer = await api.post(`/hosts/${hostId}/deactivate`, { reason: 'new fans' });
  expect(answer).toMatchObject({ status: 'preparing_for_maintenance', statusReason: 'new fans' });

  await api.until(`/hosts/${hostId}`, { status: 'maintenance', vmCount: 0, statusReason: 'new fans' });
  for (const { id } of vms) {
    const vm = await api.get(`/vms/${id}`);
    expect(vm).toMatchObject({ status: 'up', epoch: 2 });
    expect(vm.hostId).not.toBe(hostId);
    const { items } = await api.get(`/migrations?vmId=${id}`);
    expect(items).toMatchObject([{ trigger: 'maintenance', planId: expect.any(String), status: 'completed' }]);
  }
  const refused = await api.call('POST', `/vms/${vms[0].id}/migrate`, { destinationHostId: hostId });
  expect(refused).toMatchObject({ status: 409, body: { detail: expect.stringMatching(/gamma/) } });

  const unwanted = await api.call('POST', '/vms', { name: 'unwanted', clusterId, image: 'pager', hostId });
  expect(unwanted).toMatchObject({ status: 409, body: { detail: expect.stringMatching(/maintenance/) } });
  expect((await api.get('/vms?name=unwanted')).items).toEqual([]);

  await api.post(`/hosts/${hostId}/activate`);
  await api.until(`/hosts/${hostId}`, { status: 'up', statusReason: '' });
});

test('what cannot leave a host is named, and a preparation can be taken back', async () => {
  const { id, hostId } = await createVm('big-1', { memoryMiB: 3000 });
  const others = agents.filter((agent) => agent.hostId !== hostId);
  for (const [index, agent] of others.entries())
    await createVm(`big-${index + 2}`, { memoryMiB: 3000, hostId: agent.hostId });
  await api.post(`/hosts/${hostId}/deactivate`, { reason: 'new disks' });
  const blocked = await vi.waitFor(
    async () => {
      const host = await api.get(`/hosts/${hostId}`);
      expect(host.statusReason).toMatch(/^new disks; .*big-1 stays for now: /);
      return host;
    },
    { timeout: 90_000, interval: 100 },
  );
  expect(blocked.status).toBe('preparing_for_maintenance');
  expect(await api.post(`/hosts/${hostId}/activate`)).toMatchObject({ status: 'up', statusReason: '' });
  for (const name of ['big-1', 'big-2', 'big-3']) {
    const vm = (await api.get(`/vms?name=${name}`)).items[0];
    await api.post(`/vms/${vm.id}/stop`);
    await api.until(`/vms/${vm.id}`, { status: 'down' });
  }
  expect((await api.get(`/vms/${id}`)).status).toBe('down');
});

test('evenly_distributed spreads VMs, explains each move, and its dry run moves nothing', async () => {
  const host = agents[0]!.hostId;
  const vms: { id: string }[] = [];
  for (const name of ['load-1', 'load-2', 'load-3']) vms.push(await createVm(name, { hostId: host }));
  for (const agent of agents) agent.cpuOf = (vmId) => (vms.some(({ id }) => id === vmId) ? 1 : 0.01);
  await api.until(`/hosts/${host}`, { cpuUsedCores: expect.any(Number) });
  const schedulingPolicy = { name: 'evenly_distributed', parameters: {} };

  const dryRun = await vi.waitFor(
    async () => {
      const answer = await api.post(`/clusters/${clusterId}/plan`, { schedulingPolicy });
      expect(answer.moves.length).toBeGreaterThan(0);
      return answer;
    },
    { timeout: 90_000, interval: 200 },
  );
  expect(dryRun).toMatchObject({ kind: 'dry_run', moves: [{ migrationId: null, sourceHostName: 'alpha' }] });
  expect(dryRun.imbalanceAfter).toBeLessThan(dryRun.imbalanceBefore);
  expect((await api.get('/migrations?active=true')).items).toEqual([]);

  await api.call('PATCH', `/clusters/${clusterId}`, { schedulingPolicy });
  await vi.waitFor(
    async () => {
      const places = await Promise.all(vms.map(async ({ id }) => (await api.get(`/vms/${id}`)).hostId));
      expect(new Set(places).size).toBe(3);
    },
    { timeout: 90_000, interval: 200 },
  );
  const { items } = await api.get(`/plans?kind=applied&clusterId=${clusterId}`);
  const move = items.flatMap((plan: { moves: object[] }) => plan.moves)[0];
  expect(move).toMatchObject({ migrationId: expect.any(String), reason: expect.stringMatching(/./) });
  await api.call('PATCH', `/clusters/${clusterId}`, { schedulingPolicy: { name: 'none' } });
});

test('what-if answers for a cluster that is not as it is, and moves nothing', async () => {
  const [alpha] = agents;
  const vm = await createVm('suppose-1', { hostId: alpha!.hostId });
  await api.until(`/vms/${vm.id}`, { status: 'up' });
  const answer = await api.post(`/clusters/${clusterId}/what-if`, {
    schedulingPolicy: { name: 'power_saving' },
    withoutHostIds: [alpha!.hostId],
    vms: [
      { name: 'small', memoryMiB: 64 },
      { name: 'huge', memoryMiB: 67_108_864 },
    ],
  });
  expect(answer).toMatchObject({
    policy: { name: 'power_saving' },
    wattsBefore: null,
    placements: [
      { vmName: 'small', hostName: expect.stringMatching(/beta|gamma/) },
      { vmName: 'huge', hostId: null, reason: expect.stringContaining('can take huge') },
    ],
  });
  const sources = answer.moves.map(({ sourceHostName }: { sourceHostName: string }) => sourceHostName);
  expect(sources).toContain('alpha');
  for (const move of answer.moves) expect(move.migrationId).toBeNull();
  expect((await api.get('/migrations?active=true')).items).toEqual([]);
  expect(await api.get(`/hosts/${alpha!.hostId}`)).toMatchObject({ status: 'up' });
  const wrong = await api.call('POST', `/clusters/${clusterId}/what-if`, { withoutHostIds: [vm.id] });
  expect(wrong).toMatchObject({ status: 400, body: { errors: [{ field: 'withoutHostIds.0' }] } });
  await api.post(`/vms/${vm.id}/stop`);
  await api.until(`/vms/${vm.id}`, { status: 'down' });
});

test('in all this, no two transactions stood in each other’s way', async () => {
  const client = new Client(small.postgres.url);
  await client.connect();
  const { rows } = await client.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
  await client.end();
  expect(rows).toEqual([{ deadlocks: '0' }]);
});
