/** Affinity groups, labels, pinning and placements, by the API; with agents that only pretend to run VMs. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { FakeAgent } from './fake-agent.js';
import { SmallCluster } from './small-cluster.js';

const small = new SmallCluster();
const { api, agents } = small;
let clusterId: string;
const HARD = { enabled: true, enforcing: true };

beforeAll(async () => {
  clusterId = await small.start({ cooldownSeconds: 0, haReservation: 1 });
});

afterAll(() => small.close(), 60_000);

const createVm = async (name: string, more: object = {}) => {
  const vm = await api.post('/vms', { name, clusterId, image: 'pager', memoryMiB: 64, ...more });
  return api.until(`/vms/${vm.id}`, { status: 'up' });
};

test('a rule that is broken is told, mended by migration, and holds for people too', async () => {
  const [alpha, beta] = agents.map(({ hostId }) => hostId);
  const one = await createVm('one', { hostId: alpha, labels: ['web'] });
  const two = await createVm('two', { hostId: alpha });
  const pinned = await api.call('PATCH', `/vms/${two.id}`, { placement: 'pinned', labels: ['web'] });
  expect(pinned.body).toMatchObject({ placement: 'pinned', labels: ['web'] });
  const where = await api.get(`/vms/${two.id}/placement`);
  expect(where).toMatchObject({
    vmName: 'two',
    policy: 'none',
    answer: 'two is pinned to its host; unpin it to let it move',
    destinationHostId: null,
  });
  expect(where.hosts.map(({ hostName }: { hostName: string }) => hostName).toSorted()).toEqual(['alpha', 'beta']);

  const apart = { clusterId, name: 'web-apart', vmLabels: ['web'], vmsRule: { ...HARD, positive: false } };
  const group = await api.post('/affinity-groups', apart);
  expect(group.violations.map(({ vmName, isHard }: { vmName: string; isHard: boolean }) => [vmName, isHard])).toEqual([
    ['one', true],
    ['two', true],
  ]);
  await api.until(`/vms/${one.id}`, { status: 'up', hostId: beta });
  await api.until(`/affinity-groups/${group.id}`, { violations: [] });
  const back = await api.call('POST', `/vms/${one.id}/migrate`, { destinationHostId: alpha });
  expect(back).toMatchObject({ status: 409 });
  expect(back.body.detail).toContain('affinity group web-apart keeps it apart from a VM on alpha');
});

test('groups that contradict each other are refused and named, as are members of elsewhere', async () => {
  const { items } = await api.get(`/vms?clusterId=${clusterId}`);
  const vmIds = items.map(({ id }: { id: string }) => id);
  const together = { clusterId, name: 'both', vmIds, vmsRule: { ...HARD, positive: true } };
  const check = await api.call('POST', '/affinity-groups/check', together);
  expect(check.body).toMatchObject({ conflicts: [expect.stringMatching(/and together \(group both\)/)] });
  expect(check.body.violations).not.toEqual([]); // they are apart, as another group wants it
  const conflict = await api.call('POST', '/affinity-groups', together);
  expect(conflict.status).toBe(409);
  expect(conflict.body.detail).toMatch(/cannot be apart \(group web-apart\) and together \(group both\)/);
  const stranger = await api.call('POST', '/affinity-groups', { clusterId, name: 'x', hostIds: [clusterId] });
  expect(stranger).toMatchObject({ status: 400, body: { errors: [{ field: 'hostIds.0' }] } });
  const wrong = await api.call('POST', '/affinity-groups', { clusterId, name: 'x', vmLabels: ['A B'] });
  expect(wrong).toMatchObject({ status: 400, body: { errors: [{ field: 'vmLabels.0' }] } });
  expect((await api.get(`/affinity-groups?clusterId=${clusterId}`)).items).toHaveLength(1);
});

test('labels of hosts bind VMs to them, also when they start', async () => {
  const [alpha] = agents.map(({ hostId }) => hostId);
  expect((await api.call('PATCH', `/hosts/${alpha}`, { labels: ['ssd'] })).body.labels).toEqual(['ssd']);
  const rule = { vmLabels: ['db'], hostLabels: ['ssd'], hostsRule: { ...HARD, positive: true } };
  await api.post('/affinity-groups', { clusterId, name: 'db-on-ssd', ...rule });
  const db = await createVm('db', { labels: ['db'] });
  expect(db.hostId).toBe(alpha);
});

test('a VM with a device of its host runs where there is one, and is told to be stuck if its guest keeps it', async () => {
  const [alpha, beta] = agents as [FakeAgent, FakeAgent];
  const nics = [{ network: 'lan', hostDevice: 'fast0' }];
  const waits = await api.post('/vms', { name: 'd-one', clusterId, image: 'echo', memoryMiB: 64, nics });
  expect(waits).toMatchObject({ status: 'down', statusReason: expect.stringContaining('no device fast0 for guests') });
  beta.hostDevices = ['fast0'];
  await api.until(`/hosts/${beta.hostId}`, { hostDevices: ['fast0'] });
  await api.post(`/vms/${waits.id}/start`);
  await api.until(`/vms/${waits.id}`, { status: 'up', hostId: beta.hostId });
  const nowhere = await api.call('POST', `/vms/${waits.id}/migrate`, {});
  expect(nowhere).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('alpha has no device fast0') },
  });

  alpha.hostDevices = ['fast0'];
  await api.until(`/hosts/${alpha.hostId}`, { hostDevices: ['fast0'] });
  for (const agent of agents) Object.assign(agent, { failMigrations: 'the guest keeps it', failCode: 'host_device' });
  await api.post(`/vms/${waits.id}/migrate`, {});
  await api.until(`/vms/${waits.id}`, { status: 'up', migrationObstacle: 'the guest keeps it' });
  const { answer } = await api.get(`/vms/${waits.id}/placement`);
  expect(answer).toBe('d-one could not be migrated: the guest keeps it');

  for (const agent of agents) agent.failMigrations = '';
  await api.post(`/vms/${waits.id}/migrate`, {}); // a person may have it tried again
  await api.until(`/vms/${waits.id}`, { status: 'up', hostId: alpha.hostId, migrationObstacle: null });
  const onQemu = { name: 'd-two', clusterId, image: 'linux', hypervisor: 'qemu', nics };
  expect((await api.call('POST', '/vms', onQemu)).body.errors[0].field).toBe('nics');
});

test('a VM starts and moves only where there is room for its disks', async () => {
  const [alpha, beta] = agents as [FakeAgent, FakeAgent];
  const domain = await api.post('/storage-domains', { name: 'r-own', clusterId, kind: 'local', path: 'r-disks' });
  const room = (freeMiB: number) => [{ path: 'r-disks', fileSystem: '1', freeMiB }];
  alpha.storage = room(100);
  beta.storage = room(1000);
  for (const agent of [alpha, beta]) await api.until(`/hosts/${agent.hostId}`, { storage: agent.storage });
  expect(alpha.storagePaths).toContain('r-disks');
  const disks = [{ storageDomainId: domain.id, sizeMiB: 600 }];
  const definition = { name: 'r-one', clusterId, image: 'echo', memoryMiB: 64, disks };
  const there = await api.call('POST', '/vms', { ...definition, hostId: alpha.hostId });
  const lack = 'alpha has no room for disks: 100 MiB are free in storage domain r-own, the VM needs 600 MiB';
  expect(there).toMatchObject({ status: 409, body: { detail: expect.stringContaining(lack) } });
  const { id } = await api.post('/vms', definition);
  await api.until(`/vms/${id}`, { status: 'up', hostId: beta.hostId });
  const refused = await api.call('POST', `/vms/${id}/migrate`, { destinationHostId: alpha.hostId });
  expect(refused).toMatchObject({ status: 409, body: { detail: expect.stringContaining(lack) } });
  alpha.storage = room(700);
  await api.until(`/hosts/${alpha.hostId}`, { storage: alpha.storage });
  await api.post(`/vms/${id}/migrate`, { destinationHostId: alpha.hostId });
  await api.until(`/vms/${id}`, { status: 'up', hostId: alpha.hostId });
});

test('hosts keep the memory of VMs that left: as much as the cluster says, and of none that is gone or not to be kept', async () => {
  const [alpha] = agents as [FakeAgent];
  const [stays, leaves, secret] = await Promise.all(['c-stays', 'c-leaves', 'c-secret'].map((name) => createVm(name)));
  const writtenAt = new Date().toISOString();
  const kept = [stays, leaves, secret].map(({ id: vmId }) => ({ vmId, sizeMiB: 10, writtenAt }));
  alpha.checkpoints = kept;
  await api.until(`/hosts/${alpha.hostId}`, { checkpoints: kept });

  const { id: migrationPolicyId } = await api.post('/migration-policies', { name: 'secret', keepCheckpoints: false });
  await api.call('PATCH', `/vms/${secret.id}`, { migrationPolicyId });
  await api.until(`/hosts/${alpha.hostId}`, { checkpoints: kept.slice(0, 2) });
  await api.post(`/vms/${leaves.id}/stop`, { mode: 'power_off' });
  await api.until(`/vms/${leaves.id}`, { status: 'down' });
  await api.call('DELETE', `/vms/${leaves.id}`);
  await api.until(`/hosts/${alpha.hostId}`, { checkpoints: kept.slice(0, 1) });

  expect(alpha.checkpointLimitMiB).toBe(4096);
  await api.call('PATCH', `/clusters/${clusterId}`, { checkpointLimitMiB: 7 });
  await vi.waitFor(() => expect(alpha.checkpointLimitMiB).toBe(7), { timeout: 90_000 });
  const ordered = async (vm: { id: string; hostId: string }) => {
    const hostId = agents.find((agent) => agent.hostId !== vm.hostId)!.hostId;
    await api.post(`/vms/${vm.id}/migrate`, { destinationHostId: hostId });
    await api.until(`/vms/${vm.id}`, { status: 'up', hostId });
    const jobs = agents.flatMap((agent) => agent.jobs);
    return jobs.find((job) => job.kind === 'migrate' && job.vmId === vm.id);
  };
  expect(await ordered(stays)).toMatchObject({ checkpointLimitMiB: 7 });
  expect(await ordered(secret)).toMatchObject({ checkpointLimitMiB: 0 });
});
