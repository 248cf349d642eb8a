/** Plans that are carried out move by move, or wait for somebody's word; with agents that only pretend to run VMs. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { PlannedMove, PlanView } from '#contracts';
import { SmallCluster } from './small-cluster.js';

const small = new SmallCluster();
const { api, agents } = small;
let clusterId: string;
const NAMES = ['one', 'two', 'three', 'four', 'five', 'six'];
const EVENLY = { name: 'evenly_distributed', parameters: { MaxFreeMemoryForOverUtilized: 0 } };

beforeAll(async () => {
  clusterId = await small.start({ cooldownSeconds: 0, maxMigrationsPerHost: 1 });
  for (const agent of agents) agent.cpuOf = () => 0.5;
  for (const name of NAMES)
    await api.post('/vms', { name, clusterId, image: 'pager', memoryMiB: 512, hostId: alpha() });
  for (const name of NAMES) await untilVm(name, { status: 'up' });
});

afterAll(() => small.close(), 60_000);

const alpha = () => agents[0]!.hostId;
const beta = () => agents[1]!.hostId;
const idOf = async (name: string): Promise<string> => (await api.get(`/vms?name=${name}`)).items[0].id;
const untilVm = async (name: string, expected: object) => api.until(`/vms/${await idOf(name)}`, expected);
const setCluster = (values: object) => api.call('PATCH', `/clusters/${clusterId}`, values);
const statesOf = ({ moves }: PlanView) => moves.map(({ state }) => state);

/** The newest plan in the status that moves something. */
const planThat = (status: string): Promise<PlanView> =>
  vi.waitFor(
    async () => {
      const { items } = (await api.get(`/plans?clusterId=${clusterId}&status=${status}`)) as { items: PlanView[] };
      const found = items.find(({ moves }) => moves.length > 0);
      if (!found) throw new Error(`no plan is ${status}`);
      return found;
    },
    { timeout: 90_000, interval: 100 },
  );

/** All VMs are on alpha, and have moved so long ago that policies may move them. */
async function backToAlpha(): Promise<void> {
  await setCluster({ schedulingPolicy: { name: 'none' }, planMode: 'automatic' });
  await api.post(`/hosts/${beta()}/deactivate`, { reason: 'everything back' });
  await api.until(`/hosts/${beta()}`, { status: 'maintenance' });
  await api.post(`/hosts/${beta()}/activate`);
  for (const name of NAMES) await untilVm(name, { status: 'up', hostId: alpha() });
}

test('a plan of more moves than its hosts may have at once goes on move by move, also through a restart', async () => {
  agents[0]!.holdMigrations = true;
  await setCluster({ schedulingPolicy: EVENLY });
  const made = await planThat('running');
  expect(made.moves.map(({ waitsFor }) => waitsFor)).toEqual([[], [0], [1]]);
  expect(made.moves[0]).toMatchObject({
    kind: 'balance',
    benefit: expect.any(Number),
    cost: { bytes: expect.any(Number) },
  });
  const first = await api.until(`/plans/${made.id}`, {
    moves: [{ state: 'started' }, { state: 'approved' }, { state: 'approved' }],
  });
  expect((await api.get('/migrations')).items).toHaveLength(1);

  await small.restartController();
  agents[0]!.holdMigrations = false;

  const done: PlanView = await api.until(`/plans/${made.id}`, { status: 'completed', endedAt: expect.any(String) });
  expect(statesOf(done)).toEqual(['completed', 'completed', 'completed']);
  expect(done.moves[0]!.migrationId).toBe(first.moves[0].migrationId);
  const migrations = (await api.get('/migrations')).items;
  expect(migrations.map(({ planId }: { planId: string }) => planId)).toEqual([made.id, made.id, made.id]);
});

test('a move that fails takes those that waited for it along; the policy decides anew', async () => {
  await backToAlpha();
  agents[0]!.failMigrations = 'the stream broke';
  await setCluster({ schedulingPolicy: EVENLY });
  const made = await planThat('running');
  const over: PlanView = await api.until(`/plans/${made.id}`, { status: 'completed' });
  expect(statesOf(over)).toEqual(['failed', 'dropped', 'dropped']);
  expect(over.moves.map(({ stateReason }) => stateReason)).toEqual([
    'the stream broke',
    'a move that it waited for is off',
    'a move that it waited for is off',
  ]);
  agents[0]!.failMigrations = '';
  await api.until(`/hosts/${beta()}`, { vmCount: 3, migrationCount: 0 });
});

test('in a cluster that asks, a plan waits; what is approved moves, what is rejected stays, and who said so is kept', async () => {
  await backToAlpha();
  await setCluster({ schedulingPolicy: EVENLY, planMode: 'partially_automated' });
  const waiting = await planThat('waiting');
  expect(waiting).toMatchObject({ kind: 'proposed', endedAt: null });
  expect(statesOf(waiting)).toEqual(['proposed', 'proposed', 'proposed']);

  const alone = await api.call('POST', `/plans/${waiting.id}/approve`, { moves: [1] });
  expect(alone).toMatchObject({ status: 400, body: { errors: [{ field: 'moves.0' }] } });
  expect(alone.body.errors[0].message).toMatch(/^it waits for move 0 \(.* from alpha to beta\); approve that one too$/);
  const wrong = await api.call('POST', `/plans/${waiting.id}/reject`, { moves: [7] });
  expect(wrong.body.errors[0].message).toBe('no move 7 waits for approval; these do: 0, 1, 2');

  const actor = { 'drover-actor': 'mia' };
  const some = await api.call('POST', `/plans/${waiting.id}/approve`, { moves: [0], reason: 'now is fine' }, actor);
  expect(some.body).toMatchObject({ kind: 'applied', status: 'running' });
  const rest = await api.call('POST', `/plans/${waiting.id}/reject`, { reason: 'not today' }, actor);
  expect(rest.body.moves.slice(1)).toMatchObject([
    { state: 'rejected', decidedBy: 'mia', stateReason: 'not today' },
    { state: 'rejected', decidedBy: 'mia' },
  ]);
  const done: PlanView = await api.until(`/plans/${waiting.id}`, { status: 'completed' });
  expect(done.moves[0]).toMatchObject({ state: 'completed', decidedBy: 'mia', stateReason: 'now is fine' });
  const rejected = (await api.get(`/vms/${done.moves[1]!.vmId}`)) as { hostId: string; cooldownUntil: string };
  expect(rejected.hostId).toBe(alpha());
  expect(Date.parse(rejected.cooldownUntil)).toBeGreaterThan(Date.now() + 20 * 60_000);
  const events = (await api.get(`/events?clusterId=${clusterId}&limit=50`)).items;
  const texts = events.map(({ message }: { message: string }) => message).join('\n');
  expect(texts).toMatch(/^mia approved \w+ from alpha to beta: now is fine$/m);
  expect((await api.call('POST', `/plans/${waiting.id}/approve`)).status).toBe(409);
});

test('a plan that waits expires when what it stands on has changed; hosts are emptied all the same', async () => {
  await setCluster({ planMode: 'automatic', schedulingPolicy: { name: 'none' } });
  for (const name of ['seven', 'eight', 'nine']) {
    await api.post('/vms', { name, clusterId, image: 'pager', memoryMiB: 256, hostId: alpha() });
    await untilVm(name, { status: 'up' });
  }
  await setCluster({ schedulingPolicy: EVENLY, planMode: 'partially_automated' });
  const waiting = await planThat('waiting');
  const [first] = waiting.moves as [PlannedMove];
  await api.post(`/vms/${first.vmId}/stop`, { mode: 'power_off' });
  const expired = await api.until(`/plans/${waiting.id}`, { status: 'expired', endedAt: expect.any(String) });
  expect(expired.statusReason).not.toBe('');
  const late = await api.call('POST', `/plans/${waiting.id}/approve`);
  expect([late.status, late.body.detail]).toEqual([409, `the plan has expired: ${expired.statusReason}`]);

  await setCluster({ planMode: 'manual' });
  await api.post(`/hosts/${beta()}/deactivate`, { reason: 'new memory' });
  await api.until(`/hosts/${beta()}`, { status: 'maintenance' });
  await api.post(`/hosts/${beta()}/activate`);
  const recommended = await planThat('recommended');
  const refused = await api.call('POST', `/plans/${recommended.id}/approve`);
  expect([refused.status, refused.body.detail]).toEqual([
    409,
    expect.stringContaining('set planMode to partially_automated'),
  ]);
  await setCluster({ schedulingPolicy: { name: 'none' } });
  await api.until(`/plans/${recommended.id}`, {
    status: 'expired',
    statusReason: 'the scheduling policy has been changed since',
  });
});

test('a window of the schedule has its own policy; each change is a version with a name to it', async () => {
  const mia = { 'drover-actor': 'mia' };
  const always = { from: '00:00', to: '00:00', schedulingPolicy: { name: 'cluster_maintenance' } };
  const wrong = await api.call('PATCH', `/clusters/${clusterId}`, {
    policySchedule: { timeZone: 'Mars/Olympus', windows: [always] },
  });
  expect(wrong).toMatchObject({ status: 400, body: { errors: [{ field: 'policySchedule.timeZone' }] } });
  const schedule = { timeZone: 'Europe/Berlin', windows: [always] };
  await api.call('PATCH', `/clusters/${clusterId}`, { policySchedule: schedule }, mia);
  const open = await api.until(`/clusters/${clusterId}`, { openWindow: 0, schedulingPolicy: { name: 'none' } });
  expect(open.policySchedule.windows[0].days).toHaveLength(7);
  expect((await api.post(`/clusters/${clusterId}/plan`, {})).policy).toEqual({ name: 'cluster_maintenance' });
  const at = '2026-01-01T00:00:00Z';
  expect((await api.post(`/clusters/${clusterId}/what-if`, { at })).policy).toEqual({ name: 'cluster_maintenance' });

  await api.call('PATCH', `/clusters/${clusterId}`, { policySchedule: null, cooldownSeconds: 7 }, mia);
  await api.call('PATCH', `/clusters/${clusterId}`, { cooldownSeconds: 7 }, mia); // changes nothing
  const { items: versions } = await api.get(`/clusters/${clusterId}/versions`);
  expect(versions.slice(0, 2)).toMatchObject([
    { version: versions.length, changedBy: 'mia', policy: { cooldownSeconds: 7, policySchedule: null } },
    { version: versions.length - 1, changedBy: 'mia', policy: { cooldownSeconds: 0, policySchedule: schedule } },
  ]);
  expect(versions.at(-1)).toMatchObject({ version: 1, changedBy: 'admin', policy: { planMode: 'automatic' } });

  const { items } = await api.get('/migration-policies');
  await api.call('PATCH', `/migration-policies/${items[0].id}`, { timeoutSeconds: 77 }, mia);
  const [latest, first] = (await api.get(`/migration-policies/${items[0].id}/versions`)).items;
  expect(latest).toMatchObject({ version: 2, changedBy: 'mia', policy: { timeoutSeconds: 77 } });
  expect(first).toMatchObject({ version: 1, policy: { timeoutSeconds: items[0].timeoutSeconds } });
});
