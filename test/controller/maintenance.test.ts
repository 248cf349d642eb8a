/** Maintenance by itself: policies and runs by the API, carried out by the loop, with agents that only pretend to run VMs. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Client } from 'pg';
import { SmallCluster } from './small-cluster.js';

const small = new SmallCluster();
const { api, agents } = small;
let clusterId: string;

beforeAll(async () => {
  clusterId = await small.start({ cooldownSeconds: 0 });
});

afterAll(() => small.close(), 60_000);

const [ALPHA, BETA] = [0, 1];
const agent = (index: number) => agents[index]!;
const createVm = async (name: string, index: number, more: object = {}) => {
  const body = { name, clusterId, image: 'pager', memoryMiB: 64, hostId: agent(index).hostId, ...more };
  const vm = await api.post('/vms', body);
  return api.until(`/vms/${vm.id}`, { status: 'up' });
};
/** Open now, and for days. */
const always = { cron: '0 0 * * *', timeZone: 'UTC', durationMinutes: 10_080 };
const runsOf = async (query: string) => (await api.get(`/maintenance-runs?${query}`)).items;
const commandsOf = (index: number) => [...agent(index).commandsBegun.values()];
/** Its health is told, and known. */
const becomeWell = async (index: number) => {
  agent(index).look([]);
  await vi.waitFor(async () => {
    const { health } = await api.get(`/hosts/${agent(index).hostId}`);
    expect(JSON.stringify(health)).not.toContain('fan');
  }, 90_000);
};
const ill = { kind: 'custom', subject: 'fan', state: 'failed', value: 0, reason: 'the fan stands still' } as const;

test('a policy says what is wrong with it by field, keeps its versions, and is tried dry', async () => {
  const body = {
    clusterId,
    name: 'weekly',
    windows: [{ ...always, cron: '0 2 * * 6' }],
    triggers: [{ kind: 'window' }],
  };
  const wrong = { ...body, windows: [{ cron: '61 * * * *', timeZone: 'UTC', durationMinutes: 5 }] };
  expect(await api.call('POST', '/maintenance-policies', wrong)).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'windows.0.cron' }] },
  });
  const without = { ...body, windows: [], hostIds: [clusterId] };
  expect(await api.call('POST', '/maintenance-policies', without)).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'hostIds.0' }, { field: 'triggers.0', message: expect.stringContaining('add one') }] },
  });

  const policy = await api.post('/maintenance-policies', { ...body, enabled: false });
  expect(policy).toMatchObject({
    version: 1,
    hostsAtOnce: 1,
    nextWindow: { startsAt: expect.stringContaining('T02:00') },
  });
  const path = `/maintenance-policies/${policy.id}`;
  expect((await api.call('PATCH', path, { hostsAtOnce: 2, version: 1 })).body).toMatchObject({ version: 2 });
  expect(await api.call('PATCH', path, { hostsAtOnce: 3, version: 1 })).toMatchObject({ status: 409 });
  const { items } = await api.get(`${path}/versions`);
  expect(items.map((item: { version: number }) => item.version)).toEqual([2, 1]);
  expect(items[1]).toMatchObject({ changedBy: 'administrator', policy: { hostsAtOnce: 1, clusterId } });

  const windows = [{ ...always, cron: '* * * * *' }];
  await api.call('PATCH', path, { windows });
  expect(await api.post(`${path}/dry-run`)).toMatchObject({
    due: [
      { hostName: 'alpha', group: 1 },
      { hostName: 'beta', group: 1 },
    ],
    summary: 'it is switched off; if it were on, 2 hosts are due now: alpha, beta',
  });
  await api.call('PATCH', path, { windows: body.windows, enabled: true });
  const { entries } = await api.get('/maintenance-calendar');
  expect(entries.length).toBeGreaterThanOrEqual(4);
  expect(entries[0]).toMatchObject({ policyName: 'weekly', hosts: [{ name: 'alpha' }, { name: 'beta' }] });
  expect((await api.call('DELETE', path)).status).toBe(204);
});

test('an open window empties its hosts one after the other, acts, activates them, and brings VMs back', async () => {
  const vm = await createVm('web', ALPHA);
  const policy = await api.post('/maintenance-policies', {
    clusterId,
    name: 'patch',
    windows: [always],
    triggers: [{ kind: 'window' }],
    action: { kind: 'command', name: 'upgrade', arguments: ['--all'] },
  });
  await vi.waitFor(async () => {
    const runs = await runsOf(`policyId=${policy.id}`);
    expect(runs.map(({ phase }: { phase: string }) => phase)).toEqual(['done', 'done']);
  }, 90_000);
  const [beta, alpha] = await runsOf(`policyId=${policy.id}`);
  expect(alpha).toMatchObject({
    hostName: 'alpha',
    group: 1,
    trigger: 'window',
    vms: [{ vmName: 'web', state: 'returned' }],
    command: { status: 'succeeded' },
    progress: { vmsGone: 1, vmsTotal: 1, etaSeconds: null },
  });
  const phases = alpha.timeline.map(({ phase }: { phase: string }) => phase);
  expect(phases).toEqual(['waiting', 'evacuating', 'acting', 'checking', 'returning', 'done']);
  expect(Date.parse(beta.startedAt)).toBeGreaterThanOrEqual(Date.parse(alpha.endedAt));
  for (const index of [ALPHA, BETA])
    expect(commandsOf(index)).toMatchObject([{ name: 'upgrade', arguments: ['--all'] }]);
  expect(await api.get(`/vms/${vm.id}`)).toMatchObject({
    status: 'up',
    hostId: agent(ALPHA).hostId,
    migrationCount: 2,
  });
  expect((await api.get(`/hosts/${agent(ALPHA).hostId}`)).status).toBe('up');
  expect(await runsOf(`policyId=${policy.id}`)).toHaveLength(2); // once for each host and window
  await api.call('DELETE', `/maintenance-policies/${policy.id}`);
});

test('a host that is ill is emptied, stays in maintenance while it is ill, and stops the groups after it', async () => {
  const order = { clusterId, reason: 'new memory', hostsAtOnce: 1 };
  agent(ALPHA).checks = [ill];
  const { runs } = await api.post('/maintenance-runs', order);
  expect(runs.map(({ group }: { group: number }) => group)).toEqual([1, 2]);
  const failed = await api.until(`/maintenance-runs/${runs[0].id}`, { phase: 'failed' });
  expect(failed.phaseReason).toBe('alpha stays in maintenance: the fan stands still');
  expect(await api.until(`/maintenance-runs/${runs[1].id}`, { phase: 'cancelled' })).toMatchObject({
    phaseReason: 'group 1 has failed at alpha: alpha stays in maintenance: the fan stands still',
    startedAt: null,
  });
  const host = await api.get(`/hosts/${agent(ALPHA).hostId}`);
  expect(host).toMatchObject({ status: 'maintenance', health: { checks: expect.arrayContaining([ill]) } });
  await becomeWell(ALPHA);
  await api.post(`/hosts/${agent(ALPHA).hostId}/activate`);
  const { items } = await api.get(`/events?hostId=${agent(ALPHA).hostId}&type=maintenance.failed`);
  expect(items[0]).toMatchObject({ severity: 'error', message: expect.stringContaining('the fan stands still') });
});

test('health is a trigger; requests of other systems too, if a policy takes them', async () => {
  const hostId = agent(BETA).hostId;
  const request = { source: 'patch server', reason: 'kernel 6.12' };
  const refused = await api.call('POST', `/hosts/${hostId}/maintenance-requests`, request);
  expect(refused).toMatchObject({ status: 409, body: { detail: expect.stringContaining('trigger request') } });

  const body = { clusterId, name: 'watch', quietMinutes: 0, activate: false };
  const triggers = [
    { kind: 'health', checks: ['custom'], atLeast: 'warning', when: 'at_once' },
    { kind: 'request', when: 'at_once' },
  ];
  const policy = await api.post('/maintenance-policies', { ...body, triggers });
  const asked = await api.post(`/hosts/${hostId}/maintenance-requests`, request);
  expect(asked).toMatchObject({ trigger: 'request', reason: 'patch server: kernel 6.12' });
  await api.until(`/maintenance-runs/${asked.id}`, { phase: 'done' });
  await api.until(`/hosts/${hostId}`, { status: 'maintenance' });
  expect((await api.call('POST', `/hosts/${hostId}/maintenance-requests`, request)).status).toBe(409);
  await api.post(`/hosts/${hostId}/activate`);

  agent(BETA).look([{ ...ill, state: 'warning' }]);
  const [run] = await vi.waitFor(async () => {
    const runs = await runsOf(`policyId=${policy.id}`);
    expect(runs[0]).toMatchObject({ trigger: 'health', reason: 'the fan stands still' });
    return runs;
  }, 90_000);
  await api.until(`/maintenance-runs/${run.id}`, { phase: 'done' }); // a warning does not keep it from being empty
  await api.call('DELETE', `/maintenance-policies/${policy.id}`);
  await becomeWell(BETA);
  await api.post(`/hosts/${hostId}/activate`);
});

test('a host whose migrations fail again and again is emptied', async () => {
  const hostId = agent(ALPHA).hostId;
  const {
    items: [web],
  } = await api.get('/vms?name=web');
  agent(ALPHA).failMigrations = 'the link broke';
  for (let failures = 1; failures <= 2; failures++) {
    const { id } = await api.post(`/vms/${web.id}/migrate`, {});
    await api.until(`/migrations/${id}`, { status: 'failed' });
    await api.until(`/vms/${web.id}`, { status: 'up' });
  }
  agent(ALPHA).failMigrations = '';
  const policy = await api.post('/maintenance-policies', {
    ...{ clusterId, name: 'links', hostIds: [hostId] },
    triggers: [{ kind: 'migration_failures', count: 2, withinMinutes: 60, when: 'at_once' }],
  });
  await api.until(`/maintenance-runs?policyId=${policy.id}`, {
    items: [
      {
        ...{ hostName: 'alpha', phase: 'done', trigger: 'migration_failures' },
        reason: '2 migrations from or to alpha have failed within 60 minutes',
        vms: [{ vmName: 'web', state: 'returned' }],
      },
    ],
  });
  // It was dealt with: for its quiet time the host is left alone, though the failures are still remembered.
  expect((await api.post(`/maintenance-policies/${policy.id}/dry-run`)).due).toEqual([]);
  await api.call('DELETE', `/maintenance-policies/${policy.id}`);
});

test('a report tells what would happen; VMs that fail to move end it with their reasons', async () => {
  const hostId = agent(BETA).hostId;
  const stuck = await createVm('stuck', BETA);
  expect(await api.post(`/hosts/${hostId}/maintenance-report`)).toMatchObject({
    isFeasible: true,
    hosts: [{ hostName: 'beta', vms: [{ vmName: 'stuck', destinationHostName: 'alpha', choices: [] }] }],
  });
  await api.call('PATCH', `/vms/${stuck.id}`, { placement: 'pinned' });
  const both = await api.post(`/clusters/${clusterId}/maintenance-report`, { hostIds: [hostId, agent(ALPHA).hostId] });
  expect(both.isFeasible).toBe(false);
  const report = await api.post(`/hosts/${hostId}/maintenance-report`);
  expect(report.summary).toBe('1 of 1 VMs cannot leave beta as things are');
  expect(report.hosts[0].vms[0]).toMatchObject({ choices: ['wait', 'move_anyway', 'stop', 'skip'] });

  agent(BETA).failMigrations = 'the link broke';
  const choices = [{ vmId: stuck.id, choice: 'move_anyway' }];
  const order = { clusterId, hostIds: [hostId], reason: 'a test', maxAttempts: 2, choices };
  const [run] = (await api.post('/maintenance-runs', order)).runs;
  const failed = await api.until(`/maintenance-runs/${run.id}`, { phase: 'failed' });
  expect(failed).toMatchObject({
    phaseReason: 'beta was not emptied: stuck is still there after 2 failed migrations (the link broke)',
    vms: [{ attempts: 2 }],
  });
  expect((await api.get(`/hosts/${hostId}`)).status).toBe('up');
  agent(BETA).failMigrations = '';

  const stop = { ...order, choices: [{ vmId: stuck.id, choice: 'stop' }] };
  const [again] = (await api.post('/maintenance-runs', stop)).runs;
  await api.until(`/maintenance-runs/${again.id}`, { phase: 'done', vms: [{ state: 'returned' }] });
  expect(await api.get(`/vms/${stuck.id}`)).toMatchObject({ status: 'up', hostId });

  // One that starts and is down again before the next turn is left alone.
  agent(BETA).endsVmsAtOnce = true;
  const epochs = () =>
    new Set(agent(BETA).jobs.flatMap((job) => (job.kind === 'start' && job.vmId === stuck.id ? job.epoch : []))).size;
  const epochsBefore = epochs();
  const [once] = (await api.post('/maintenance-runs', stop)).runs;
  await api.until(`/maintenance-runs/${once.id}`, { phase: 'done', vms: [{ state: 'stayed' }] });
  expect(epochs()).toBe(epochsBefore + 1);
  agent(BETA).endsVmsAtOnce = false;
  await api.post(`/vms/${stuck.id}/start`, { hostId });
  await api.until(`/vms/${stuck.id}`, { status: 'up', hostId });
  await api.call('PATCH', `/vms/${stuck.id}`, { placement: 'migratable' });
});

test('a rollout does not wait for ever for a host that a VM keeps: it is skipped, and the others have their turn', async () => {
  const pinned = await createVm('pinned', ALPHA, { placement: 'pinned' });
  const begin = async (more: object) => {
    const { runs } = await api.post('/maintenance-runs', { clusterId, reason: 'a test', ...more });
    return runs.map(({ id }: { id: string }) => `/maintenance-runs/${id}`) as [string, string];
  };
  const [held, next] = await begin({ blockedWaitMinutes: 60 });
  await api.until(held, { phaseReason: expect.stringContaining('pinned is pinned'), heldSince: expect.any(String) });
  expect(await api.get(next)).toMatchObject({ phase: 'waiting', heldSince: null });
  const db = new Client({ connectionString: small.postgres.url });
  await db.connect();
  await db.query("UPDATE drover.maintenance_run SET held_since = held_since - interval '1 hour'");
  await db.end();
  const reason = expect.stringMatching(/^alpha is skipped after 60 min: .*pinned is pinned to its host/);
  await api.until(held, { phase: 'skipped', phaseReason: reason, startedAt: null });
  await api.until(next, { phase: 'done' });

  const [first, second] = await begin({ onBlocked: 'skip', stopRolloutOn: 'skipped' });
  await api.until(first, { phase: 'skipped' });
  await api.until(second, { phase: 'cancelled', phaseReason: expect.stringContaining('group 1 was held at alpha') });
  await api.call('PATCH', `/vms/${pinned.id}`, { placement: 'migratable' });
});

test('a host that is deactivated by hand is not prepared for ever: its VMs may fail to move so often', async () => {
  const path = `/hosts/${agent(BETA).hostId}`;
  agent(BETA).failMigrations = 'the link broke';
  await api.post(`${path}/deactivate`, { reason: 'new fans' });
  const [run] = await runsOf(`hostId=${agent(BETA).hostId}`);
  expect(run).toMatchObject({ trigger: 'manual', phase: 'evacuating', reason: 'new fans' });
  const failed = await api.until(`/maintenance-runs/${run.id}`, { phase: 'failed' });
  expect(failed.phaseReason).toMatch(
    /^beta was not emptied: stuck is still there after \d+ failed migrations \(the link broke\)/,
  );
  expect((await api.get(path)).status).toBe('up');
  await api.post(`${path}/deactivate`, { reason: 'new fans' });
  await api.post(`${path}/activate`);
  expect((await runsOf(`hostId=${agent(BETA).hostId}`))[0]).toMatchObject({ phase: 'cancelled' });
  await api.until(`/vms?name=stuck`, { items: [{ status: 'up', hostId: agent(BETA).hostId }] });
  agent(BETA).failMigrations = '';
});

test('a run is paused, resumed, and cancelled, and its VMs come back; a controller that restarts goes on', async () => {
  const hostId = agent(BETA).hostId;
  agent(BETA).holdMigrations = true;
  const { runs } = await api.post('/maintenance-runs', { clusterId, hostIds: [hostId], reason: 'a test' });
  const path = `/maintenance-runs/${runs[0].id}`;
  // By what its migration measures: 60 bytes are left, 100 MiB/s are sent and 1 MiB/s is written.
  const remainingMiB = 60 / 2 ** 20;
  const progress = { vmsGone: 0, remainingMiB, etaSeconds: expect.closeTo(remainingMiB / 99, 9) };
  await api.until(path, { phase: 'evacuating', vms: [{ state: 'leaving' }], progress });
  expect(await api.post(`${path}/pause`)).toMatchObject({ phase: 'paused' });
  const other = await createVm('waits', ALPHA);
  expect((await api.get(`/hosts/${hostId}`)).status).toBe('preparing_for_maintenance');

  await small.restartController();
  for (const each of agents) {
    each.holdMigrations = false;
  }
  expect(await api.post(`${path}/resume`)).toMatchObject({ phase: 'evacuating' });
  await api.until(path, { phase: 'done', vms: [{ state: 'returned' }] });

  agent(BETA).holdMigrations = true;
  const next = await api.post('/maintenance-runs', {
    clusterId,
    hostIds: [hostId],
    reason: 'a test',
    action: { kind: 'command', name: 'x' },
  });
  const second = `/maintenance-runs/${next.runs[0].id}`;
  await api.until(second, { phase: 'evacuating', vms: [{ state: 'leaving' }] });
  agent(BETA).holdMigrations = false;
  expect(await api.post(`${second}/cancel`)).toMatchObject({ phase: 'returning' });
  await api.until(second, { phase: 'cancelled' });
  expect((await api.get(`/hosts/${hostId}`)).status).toBe('up');
  expect((await api.call('POST', `${second}/cancel`)).status).toBe(409);
  expect((await api.get(`/vms/${other.id}`)).hostId).toBe(agent(ALPHA).hostId);
});
