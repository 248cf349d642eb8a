/** Hosts that are switched on and off by a program: settings, operations, restarts, policies; agents run no VMs but say so. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Server } from '../../apps/controller/server.js';
import type { EmbeddedPostgres } from '../../tools/postgres.js';
import { startTestPostgres } from '../postgres.js';
import { Api, startController } from './api.js';
import { FakeAgent } from './fake-agent.js';

const PASSWORD = 'correct horse battery staple';
const dir = mkdtempSync(join(tmpdir(), 'drover-power-'));
let postgres: EmbeddedPostgres;
let server: Server;
let api: Api;
let clusterId: string;
const agents: FakeAgent[] = [];
let watch: NodeJS.Timeout;

const stateFile = (name: string) => join(dir, `${name}.state`);
const start = () => startController(postgres.url, undefined, { powerProgramsDir: dir });

beforeAll(async () => {
  // Like a fence agent: the power of host `plug` is a file; while there is a file `hold`, nothing ends.
  const program = join(dir, 'switch');
  writeFileSync(
    program,
    `#!/bin/sh
while IFS='=' read -r name value; do case $name in plug) plug=$value;; action) action=$value;; esac; done
while [ -e '${dir}/hold' ]; do sleep 0.1; done
case $action in
  status) [ "$(cat '${dir}'/$plug.state)" = on ] || exit 2;;
  *) [ -e '${dir}/broken' ] && { echo "cannot log in as admin:${PASSWORD}" >&2; exit 1; }; echo $action > '${dir}'/$plug.state;;
esac
`,
  );
  chmodSync(program, 0o755);
  postgres = await startTestPostgres();
  server = await start();
  api = new Api(server.url);
  ({ id: clusterId } = await api.post('/clusters', { name: 'main', cooldownSeconds: 0 }));
  for (const name of ['alpha', 'beta']) {
    const { enrolmentToken } = await api.post('/hosts', { name, clusterId });
    writeFileSync(stateFile(name), 'on\n');
    await FakeAgent.start(server.url, enrolmentToken, agents);
  }
  // An agent runs as long as its host has power.
  const isRunning = agents.map(() => true);
  watch = setInterval(() => {
    for (const [index, name] of ['alpha', 'beta'].entries()) {
      const isOn = readFileSync(stateFile(name), 'utf8').trim() === 'on';
      if (isOn === isRunning[index]) continue;
      isRunning[index] = isOn;
      if (isOn) agents[index]!.begin(`${server.url}`);
      else agents[index]!.fallSilent();
    }
  }, 50);
}, 120_000);

afterAll(async () => {
  clearInterval(watch);
  for (const agent of agents) await agent.stop();
  await server?.close();
  await postgres?.stop();
  rmSync(dir, { recursive: true });
}, 60_000);

const idOf = (index: number) => agents[index]!.hostId;
const management = (plug: string) => ({ type: 'exec', program: 'switch', password: PASSWORD, options: { plug } });

test('what is set is shown without the password, and stored so that nobody can read it', async () => {
  for (const [index, name] of ['alpha', 'beta'].entries()) {
    const power = await api.call('PUT', `/hosts/${idOf(index)}/power-management`, management(name));
    expect(power.body).toMatchObject({
      management: { type: 'exec', program: 'switch', options: { plug: name } },
      ...{ hasPassword: true, wakeUp: 'unproven', bootSeconds: null },
    });
    expect(JSON.stringify(power.body)).not.toContain(PASSWORD);
  }
  expect(await api.post(`/hosts/${idOf(0)}/power/status`)).toEqual({ status: 'on' });
  const db = new Client({ connectionString: postgres.url });
  await db.connect();
  const { rows } = await db.query('SELECT host_power::text AS text, password_encrypted FROM drover.host_power');
  await db.end();
  expect(rows).toHaveLength(2);
  for (const { text, password_encrypted: sealed } of rows)
    expect([text.includes(PASSWORD), sealed.includes(PASSWORD), sealed.length > 28]).toEqual([false, false, true]);
});

test('what cannot work is refused, and names its field', async () => {
  const put = async (body: object) => {
    const { status, body: problem } = await api.call('PUT', `/hosts/${idOf(0)}/power-management`, body);
    return [status, ...problem.errors.map(({ field }: { field: string }) => field)];
  };
  expect(await put({ type: 'exec', program: 'nothing' })).toEqual([400, 'program']);
  expect(await put({ type: 'exec', program: '../../bin/sh' })).toEqual([400, 'program']);
  expect(await put({ type: 'exec', program: 'switch', options: { password_script: '/tmp/x' } })).toEqual([
    400,
    'options.password_script',
  ]);
  expect(await put({ type: 'exec', program: 'switch', options: { plug: 'a\naction=off' } })).toEqual([
    400,
    'options.plug',
  ]);
  expect(await put({ type: 'fence_agent', agent: 'fence_not_there', address: 'bmc' })).toEqual([400, 'agent']);
  expect(await put({ type: 'wake_on_lan', macAddress: 'x' })).toEqual([400, 'macAddress']);
  // A password that is kept goes to nobody else.
  writeFileSync(join(dir, 'other'), '#!/bin/sh\n', { mode: 0o755 });
  expect(await put({ type: 'exec', program: 'other' })).toEqual([400, 'password']);
  const curve = await api.call('PATCH', `/hosts/${idOf(0)}/power`, { wattsAt: [200, 100] });
  expect([curve.status, curve.body.errors[0].field]).toEqual([400, 'wattsAt']);
});

test('a host that is up is not switched; in maintenance it is tested: off, on, its boot measured', async () => {
  const path = `/hosts/${idOf(0)}`;
  const refused = await api.call('POST', `${path}/power/test`, {});
  expect([refused.status, refused.body.detail]).toEqual([409, 'alpha is up; put it into maintenance first']);
  await api.post(`${path}/deactivate`, { reason: 'new BMC' });
  await api.until(path, { status: 'maintenance' });
  expect(await api.post(`${path}/power/test`, {})).toMatchObject({ operation: { kind: 'test', attempts: 0 } });
  await api.until(`${path}/power`, { wakeUp: 'proven', operation: null, boots: [{ seconds: expect.any(Number) }] });
  expect(await api.get(path)).toMatchObject({ status: 'maintenance', statusReason: 'new BMC' });
  const { items } = await api.get(`/events?hostId=${idOf(0)}&type=host.woken`);
  expect(items[0].message).toMatch(/^alpha answers \d+ s after it was switched on; its wake-up is proven$/);
});

test('a controller that ends in the middle is followed by one that goes on', async () => {
  const path = `/hosts/${idOf(0)}`;
  writeFileSync(join(dir, 'hold'), '');
  await api.post(`${path}/power/cycle`, { reason: 'a restart' });
  await api.until(path, { status: 'powering_off' });
  await server.close();
  server = await start();
  api.base = server.url;
  for (const agent of agents) agent.begin(server.url);
  await api.until(path, { status: 'powering_off' });
  rmSync(join(dir, 'hold'));
  await api.until(path, { status: 'maintenance' });
  expect((await api.get(`${path}/power`)).boots).toHaveLength(2);
});

test('why it did not work is told without the password; then it is tried again', async () => {
  const path = `/hosts/${idOf(0)}`;
  writeFileSync(join(dir, 'broken'), '');
  await api.post(`${path}/power/off`, {});
  const power = await api.until(`${path}/power`, { operation: { attempts: 1, error: expect.any(String) } });
  expect(power.operation.error).toBe('switch could not do "off" (exit status 1): cannot log in as admin:***');
  rmSync(join(dir, 'broken'));
  await api.until(path, { status: 'powered_off' });
  expect(existsSync(stateFile('alpha'))).toBe(true);
  await api.post(`${path}/power/on`, {});
  await api.until(path, { status: 'maintenance' });
});

test('power_saving parks an empty host, switches it off, and wakes it for a VM that finds no room', async () => {
  const beta = `/hosts/${idOf(1)}`;
  await api.post(`${beta}/deactivate`, { reason: 'test' });
  await api.until(beta, { status: 'maintenance' });
  await api.post(`${beta}/power/test`, {});
  await api.until(`${beta}/power`, { wakeUp: 'proven', operation: null });
  for (const index of [0, 1]) {
    await api.call('PATCH', `/hosts/${idOf(index)}/power`, { wattsAt: [100, 200], offWatts: 5 });
    await api.post(`/hosts/${idOf(index)}/activate`, {});
  }
  const vm = await api.post('/vms', { name: 'web', clusterId, image: 'pager', memoryMiB: 64, hostId: idOf(0) });
  await api.until(`/vms/${vm.id}`, { status: 'up' });
  const saving = (HostsInReserve: number) => ({
    schedulingPolicy: {
      name: 'power_saving',
      parameters: {
        EnableAutomaticHostPowerManagement: true,
        ...{ HostsInReserve, MinimumOnMinutes: 0, MinimumOffMinutes: 0 },
      },
    },
  });
  await api.call('PATCH', `/clusters/${clusterId}`, saving(0));
  await api.until(beta, { status: 'powered_off' });
  expect(readFileSync(stateFile('beta'), 'utf8')).toBe('off\n');
  expect(await api.get(`${beta}/power`)).toMatchObject({ isParked: true, operation: null });
  const { items: plans } = await api.get(`/plans?clusterId=${clusterId}`);
  const decided = plans.flatMap(({ hostActions }: { hostActions: { hostName: string; action: string }[] }) =>
    hostActions.map(({ hostName, action }) => `${action} ${hostName}`),
  );
  expect(decided).toEqual(['power_off beta', 'deactivate beta']);
  expect(plans[0].summary).toMatch(/^1 host switched off; /);
  await api.call('PATCH', `/clusters/${clusterId}`, saving(1));
  await api.until(beta, { status: 'up', statusReason: '' });
  expect(await api.get(`${beta}/power`)).toMatchObject({ isParked: false });
});

test('energy is told by day and host, in sum, and for days that make sense', async () => {
  const db = new Client({ connectionString: postgres.url });
  await db.connect();
  for (const [day, used, saved] of [
    ['2026-01-01', 7_200_000, 0],
    ['2026-01-02', 360_000, 3_240_000],
    ['2026-01-09', 1, 1],
  ] as const)
    await db.query(
      `INSERT INTO drover.host_energy (host_id, day, cluster_id, host_name, used_joules, saved_joules, measured_joules,
         on_seconds, off_seconds) VALUES ($1, $2, $3, 'alpha', $4, $5, 0, 3600, 7200)`,
      [idOf(0), day, clusterId, used, saved],
    );
  await db.end();
  const asked = await api.get('/energy?from=2026-01-01&to=2026-01-08');
  expect(asked).toMatchObject({
    ...{ from: '2026-01-01', to: '2026-01-08', usedKWh: 2.1, savedKWh: 0.9 },
    days: [
      { day: '2026-01-01', hostName: 'alpha', usedKWh: 2, savedKWh: 0, onHours: 1, offHours: 2 },
      { day: '2026-01-02', usedKWh: 0.1, savedKWh: 0.9 },
    ],
  });
  const none = '00000000-0000-4000-8000-000000000000';
  expect((await api.get(`/energy?from=2026-01-01&to=2026-01-08&clusterId=${none}`)).days).toEqual([]);
  const wrong = await api.call('GET', '/energy?from=2026-02-01&to=2026-01-01');
  expect([wrong.status, wrong.body.errors[0].field]).toEqual([400, 'from']);
});
