/** Hosts that are switched on and off by a program: settings, operations, restarts, policies; agents run no VMs but say so. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
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
});

afterAll(async () => {
  clearInterval(watch);
  for (const agent of agents) await agent.stop();
  await server?.close();
  await postgres?.stop();
  rmSync(dir, { recursive: true });
});

const idOf = (index: number) => agents[index]!.hostId;
const saving = (HostsInReserve: number) => ({
  schedulingPolicy: {
    name: 'power_saving',
    parameters: {
      EnableAutomaticHostPowerManagement: true,
      ...{ HostsInReserve, MinimumOnMinutes: 0, MinimumOffMinutes: 0 },
    },
  },
});
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

test('a host that does not answer is cut off only if its VMs may be lost', async () => {
  const path = `/hosts/${idOf(0)}`;
  await api.post(`${path}/activate`, {});
  const vm = await api.post('/vms', { name: 'lost', clusterId, image: 'pager', memoryMiB: 64, hostId: idOf(0) });
  const { epoch } = await api.until(`/vms/${vm.id}`, { status: 'up' });
  agents[0]!.fallSilent();
  await api.until(path, { status: 'non_responsive' });
  const refused = await api.call('POST', `${path}/power/off`, {});
  expect([refused.status, refused.body.detail]).toEqual([
    409,
    'alpha does not answer, and VMs may still run there; if they may be lost, say so (force)',
  ]);
  expect((await api.call('POST', `${path}/power/test`, { force: true })).status).toBe(409);
  await api.post(`${path}/power/cycle`, { force: true, reason: 'it hangs' });
  agents[0]!.report(vm.id, epoch, 'down', { message: 'its process has ended' }); // with the power
  await api.until(path, { status: 'maintenance' });
  await api.until(`/vms/${vm.id}`, { status: 'down' });
  expect((await api.call('DELETE', `/vms/${vm.id}`)).status).toBe(204);
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
  await api.call('PATCH', `/clusters/${clusterId}`, saving(0));
  await api.until(beta, { status: 'powered_off' });
  expect(readFileSync(stateFile('beta'), 'utf8')).toBe('off\n');
  expect(await api.get(`${beta}/power`)).toMatchObject({ isParked: true, operation: null });
  const { items: plans } = await api.get(`/plans?clusterId=${clusterId}`);
  const decided = plans.flatMap(({ hostActions }: { hostActions: { hostName: string; action: string }[] }) =>
    hostActions.map(({ hostName, action }) => `${action} ${hostName}`),
  );
  expect(decided).toEqual(['power_off beta', 'deactivate beta']);
  expect(plans[0].summary).toMatch(/^1 host to switch off; /);
  await api.call('PATCH', `/clusters/${clusterId}`, saving(1));
  await api.until(beta, { status: 'up', statusReason: '' });
  expect(await api.get(`${beta}/power`)).toMatchObject({ isParked: false });
});

test('rising load of VMs wakes a host by the time that it needs to boot, while the other still has room', async () => {
  const [alpha, beta] = [0, 1].map((index) => `/hosts/${idOf(index)}`) as [string, string];
  await api.call('PATCH', `/clusters/${clusterId}`, saving(0));
  await api.until(beta, { status: 'powered_off' });
  const db = new Client({ connectionString: postgres.url });
  await db.connect();
  await db.query('DELETE FROM drover.cluster_load');
  await db.query('UPDATE drover.host_power SET boot_seconds = 1700 WHERE host_id = $1', [idOf(1)]);
  const shift = (by: string) => db.query(`UPDATE drover.cluster_load SET slot = slot + $1::interval`, [by]);
  // Heartbeats tell less than the limit of 80 % of four cores, at any time; only the forecast can say more.
  agents[0]!.cpuOf = () => 3;
  // Until load has risen since the slot before, or the host is woken.
  const rise = (before: number) =>
    vi.waitFor(
      async () => {
        const { rows } = await db.query('SELECT cores FROM drover.cluster_load ORDER BY slot DESC LIMIT 1');
        const { status } = await api.get(beta);
        expect(status !== 'powered_off' || rows[0].cores > before + 0.25).toBe(true);
        return { isOff: status === 'powered_off', cores: rows[0].cores as number };
      },
      { timeout: 90_000, interval: 50 },
    );
  for (let seen = await rise(0); seen.isOff; seen = await rise(seen.cores)) {
    await shift('-10 years'); // or it would meet the slot before it
    await shift('10 years -5 minutes');
  }
  await db.end();
  expect((await api.get(alpha)).cpuUsedCores).toBeLessThan(3.2);
  await api.call('PATCH', `/clusters/${clusterId}`, saving(1)); // it stays up
  await api.until(beta, { status: 'up' });
  const { items } = await api.get(`/events?hostId=${idOf(1)}&type=host.power_on`);
  expect(items[0].message).toBe('beta: power on, more load is expected than the hosts that are up can carry');
  agents[0]!.cpuOf = () => 0.1;
});

test('what a BMC has measured gives the power curve, which counts where nobody has given one', async () => {
  const samples = [0.05, 0.5, 0.95].map((utilization) => ({ samples: 60, utilization, watts: 100 + 80 * utilization }));
  const [low, middle, high] = samples;
  const tenths = [low, null, null, null, null, middle, null, null, null, high];
  const db = new Client({ connectionString: postgres.url });
  await db.connect();
  await db.query('UPDATE drover.host_power SET watts_samples = $1', [JSON.stringify(tenths)]);
  await db.end();
  const { learntWattsAt } = await api.get(`/hosts/${idOf(1)}/power`);
  expect(learntWattsAt.map(Math.round)).toEqual([0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80].map((watts) => 100 + watts));
  for (const index of [0, 1]) await api.call('PATCH', `/hosts/${idOf(index)}/power`, { wattsAt: null });
  const { wattsBefore } = await api.post(`/clusters/${clusterId}/what-if`, {});
  expect(wattsBefore).toBeGreaterThan(200);
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

test('a host that is lost is fenced, and only with proof its highly available VMs are started elsewhere', async () => {
  const [alpha, beta] = [0, 1].map((index) => `/hosts/${idOf(index)}`) as [string, string];
  const fencing = { enabled: true, graceSeconds: 1, skipIfSilentPercent: 50, restart: false };
  await api.call('PATCH', `/clusters/${clusterId}`, { schedulingPolicy: { name: 'none' }, fencing });
  await api.until(beta, { status: 'up' });
  const [plain, vital] = await Promise.all(
    [false, true].map(async (highAvailability) => {
      const name = highAvailability ? 'vital' : 'plain';
      const body = { name, clusterId, image: 'pager', memoryMiB: 64, hostId: idOf(0), highAvailability };
      return `/vms/${(await api.post('/vms', body)).id}`;
    }),
  );
  for (const vm of [plain!, vital!]) await api.until(vm, { status: 'up' });

  agents[0]!.fallSilent(); // and answers when it is called
  await api.until(alpha, { status: 'non_responsive', statusReason: expect.stringContaining('only its heartbeats') });
  writeFileSync(join(dir, 'broken'), '');
  await agents[0]!.stop();
  await api.until(`${alpha}/power`, {
    operation: { kind: 'off', fences: true, error: expect.stringContaining('log in') },
  });
  // Nothing proves that it does not run there.
  await api.until(vital!, { status: 'unknown' });
  rmSync(join(dir, 'broken'));
  await api.until(alpha, {
    status: 'powered_off',
    statusReason: expect.stringMatching(/^fenced: alpha has been silent/),
  });
  await api.until(vital!, { status: 'up', hostId: idOf(1) });
  expect(await api.get(plain!)).toMatchObject({ status: 'down', statusReason: 'alpha was switched off' });
  const { items } = await api.get('/events?type=vm.restarted');
  expect(items.map(({ message }: { message: string }) => message)).toEqual([
    'vital is started again, because it is to be highly available: alpha was switched off',
  ]);
});

test('a fenced host is switched on again; migrations from and to it end at once, and nothing of before runs there', async () => {
  const [alpha, beta] = [0, 1].map((index) => `/hosts/${idOf(index)}`) as [string, string];
  await api.call('PATCH', `/clusters/${clusterId}`, { fencing: { enabled: true, graceSeconds: 1 } });
  const back = async () => {
    await sql('UPDATE drover.host_power SET fenced_at = NULL');
    await api.until(alpha, { status: 'up', statusReason: '' });
  };
  await api.post(`${alpha}/power/on`, {});
  await api.until(alpha, { status: 'maintenance' });
  await api.post(`${alpha}/activate`, {});
  await agents[0]!.listen();
  await back();

  const { items } = await api.get('/vms?name=vital');
  const [vital] = items;
  await sql('UPDATE drover.host SET cpu_smoothed_cores = NULL'); // as if the load had risen long ago
  agents[1]!.holdMigrations = true;
  const arriving = await api.post(`/vms/${vital.id}/migrate`, { destinationHostId: idOf(0) });
  await api.until(`/migrations/${arriving.id}`, { status: 'precopy' });
  agents[0]!.fallSilent();
  await api.until(`/migrations/${arriving.id}`, { status: 'failed', error: { code: 'destination_lost' } });
  await api.until(`/vms/${vital.id}`, { status: 'up', hostId: idOf(1), migrationCount: 0 });
  await vi.waitFor(() => expect(agents[1]!.direct.has(`POST /v1/migrations/${arriving.id}/cancel`)).toBe(true));
  agents[1]!.holdMigrations = false;
  await back();
  expect((await api.get(`${alpha}/power`)).operation).toBeNull();

  const body = { name: 'leaves', clusterId, image: 'pager', memoryMiB: 64, hostId: idOf(0), highAvailability: true };
  const { id } = await api.post('/vms', body);
  const { epoch } = await api.until(`/vms/${id}`, { status: 'up' });
  agents[0]!.holdMigrations = true;
  const leaving = await api.post(`/vms/${id}/migrate`, { destinationHostId: idOf(1) });
  await api.until(`/migrations/${leaving.id}`, { status: 'precopy' });
  agents[0]!.fallSilent();
  const failed = await api.until(`/migrations/${leaving.id}`, { status: 'failed' });
  expect(failed.error).toMatchObject({ code: 'source_lost', message: 'alpha was switched off while it sent the VM' });
  await api.until(`/vms/${id}`, { status: 'up', hostId: idOf(1), epoch: epoch + 2 });
  await back();
  // As if its process had outlived the host.
  await vi.waitFor(() => expect(agents[0]!.destroyed).toContain(`${id}@${epoch}`), 40_000);

  // In post-copy it ran there: what its source still has is no VM, though its agent goes on to tell of it.
  agents[1]!.holdMigrations = true;
  const lost = await api.post(`/vms/${id}/migrate`, { destinationHostId: idOf(0) });
  await api.until(`/migrations/${lost.id}`, { status: 'precopy' });
  agents[0]!.report(id, lost.epoch, 'up');
  agents[1]!.migrations.get(lost.id)!.report.status = 'postcopy';
  await api.until(`/migrations/${lost.id}`, { status: 'postcopy' });
  agents[0]!.fallSilent();
  agents[0]!.copies.delete(id); // with the power
  await api.until(`/migrations/${lost.id}`, { status: 'failed', error: { code: 'destination_lost' } });
  await api.until(`/vms/${id}`, { status: 'up', hostId: idOf(1), epoch: lost.epoch + 1 });
  await vi.waitFor(() => expect(agents[1]!.destroyed).toContain(`${id}@${lost.epoch - 1}`), 40_000);
  const { items: told } = await api.get(`/events?hostId=${idOf(0)}&type=host.fenced`);
  expect(told[0].message).toBe('alpha is fenced: its power is off, and nothing runs there');
  expect(await api.get(beta)).toMatchObject({ status: 'up' });
});

async function sql(statement: string): Promise<void> {
  const db = new Client({ connectionString: postgres.url });
  await db.connect();
  await db.query(statement);
  await db.end();
}
