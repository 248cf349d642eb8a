/** A real agent with real VMs, and a controller that a test plays. */
import { randomUUID } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ConsoleView, HostJob, MigrationReport } from '#contracts';
import type { EmbeddedPostgres } from '../../tools/postgres.js';
import { ticketFor } from '../../apps/agent/migration/ticket.js';
import { AgentProcess } from '../agent/agent-process.js';
import { CuttingProxy } from '../agent/cutting-proxy.js';
import { FakeController } from '../agent/fake-controller.js';
import { startTestPostgres } from '../postgres.js';

const root = join(import.meta.dirname, '..', '..');
const eventually = <T>(probe: () => T | Promise<T>, timeoutMs = 30_000) =>
  vi.waitFor(probe, { timeout: timeoutMs, interval: 100 });

let dir: string;
let postgres: EmbeddedPostgres;
let controller: FakeController;
let a: AgentProcess;
let b: AgentProcess;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'drover-agents-'));
  postgres = await startTestPostgres();
  controller = await FakeController.start(postgres.url);
  a = new AgentProcess(controller.addHost('host-a'), join(dir, 'a'), controller);
  b = new AgentProcess(controller.addHost('host-b'), join(dir, 'b'), controller);
  for (const agent of [a, b]) agent.start();
  await eventually(() => [a.host.last, b.host.last]);
});

afterAll(async () => {
  await Promise.all([a, b].map((agent) => agent?.destroy()));
  await controller?.stop();
  await postgres?.stop();
  rmSync(dir, { recursive: true, force: true });
});

type StartJob = Extract<HostJob, { kind: 'start' }>;

const pager = (append = 'region=8 rate=1', memoryMiB = 32): StartJob => ({
  kind: 'start',
  vmId: randomUUID(),
  epoch: 1,
  spec: { name: 'web-1', vcpus: 1, memoryMiB, image: 'pager', append },
});

/** Sequence number of the last line that the guest printed; throws if it saw a wrong page. */
function lastBeat(consoleTail: string): number {
  expect(consoleTail).not.toContain('ERROR');
  return Number([...consoleTail.matchAll(/^pager seq=(\d+) /gm)].at(-1)?.[1] ?? -1);
}

async function expectUp(agent: AgentProcess, vmId: string, beyondBeat = 0): Promise<number> {
  return eventually(() => {
    const vm = agent.host.vm(vmId);
    expect(vm?.status, vm?.message).toBe('up');
    const beat = lastBeat(vm!.consoleTail);
    expect(beat).toBeGreaterThan(beyondBeat);
    return beat;
  });
}

async function startPager(agent: AgentProcess, job = pager()): Promise<StartJob> {
  await controller.order(agent.host, job);
  await expectUp(agent, job.vmId);
  return job;
}

const powerOff = async (agent: AgentProcess, { vmId }: StartJob, epoch = 1) => {
  await controller.order(agent.host, { kind: 'stop', vmId, epoch, mode: 'power_off' });
  await eventually(() => expect(agent.host.vm(vmId)).toMatchObject({ status: 'down', message: 'stopped by order' }));
};

describe('a host', () => {
  test('enrols once, and tells what it has', () => {
    expect(a.host.enrolment).toMatchObject({ cpuCores: 2, memoryMiB: 256 });
    expect(a.host.last).toMatchObject({ cpuCores: 2, memoryMiB: 256, memoryUsedMiB: 0, vms: [], migrations: [] });
    expect(statSync(join(a.dir, 'identity.json')).mode & 0o777).toBe(0o600);
    for (const secret of [a.host.enrolment!.agentToken, a.host.heartbeatToken, a.host.enrolmentToken])
      expect(a.log).not.toContain(secret);
  });

  test('answers nobody without its token, and refuses what makes no sense', async () => {
    expect((await fetch(`${a.url}/v1/health`)).status).toBe(200);
    const id = randomUUID();
    for (const [method, path] of [
      ['POST', `/v1/migrations/${id}/cancel`],
      ['PATCH', `/v1/migrations/${id}/parameters`],
      ['GET', `/v1/vms/${id}/console`],
      ['POST', `/v1/vms/${id}/console`],
    ] as const)
      for (const token of ['', 'wrong', b.host.enrolment!.agentToken])
        expect((await a.request(method, path, undefined, token)).status).toBe(401);

    const cases = [
      [404, 'POST', `/v1/migrations/${id}/cancel`, undefined],
      [404, 'GET', `/v1/vms/${id}/console`, undefined],
      [400, 'GET', `/v1/vms/not-an-id/console`, undefined],
      [400, 'GET', `/v1/vms/${id}/console?offset=-1`, undefined],
      [400, 'POST', `/v1/vms/${id}/console`, { text: '' }],
      [400, 'POST', `/v1/vms/${id}/console`, '{"text":'],
      [400, 'PATCH', `/v1/migrations/${id}/parameters`, { speed: 1 }],
      [404, 'GET', '/v1/nothing', undefined],
    ] as const;
    for (const [status, method, path, body] of cases) {
      const response = await a.request(method, path, body);
      expect([response.status, path]).toEqual([status, path]);
      expect(response.headers.get('content-type')).toContain('application/problem+json');
      expect(await response.json()).toMatchObject({ status });
    }
  });

  test('lets no VM in without a ticket for it', async () => {
    const { vmId, spec } = pager();
    const migrationId = randomUUID();
    const body = { migrationId, vmId, epoch: 2, spec };
    const ticket = a.migrateTo(b, { vmId, epoch: 7, spec }, migrationId).destination.ticket; // for another epoch
    for (const token of ['', 'wrong', b.host.enrolment!.agentToken, ticket])
      expect((await b.request('POST', '/v1/incoming', body, token)).status).toBe(401);
    expect(b.vmmPids()).toEqual([]);
  });

  test('starts only with settings that make sense, and alone in its folder', () => {
    const images = { DROVER_IMAGES_DIR: join(root, 'guests') };
    const runAgent = (env: Record<string, string>) =>
      spawnSync(process.execPath, [join(root, 'dist/apps/agent/main.js')], {
        env: { PATH: process.env.PATH, DROVER_CONTROLLER_URL: controller.url, ...images, ...env },
        encoding: 'utf8',
      });
    const wrong = runAgent({ DROVER_CONTROLLER_URL: 'nowhere', DROVER_AGENT_DIR: dir });
    expect(wrong).toMatchObject({
      status: 1,
      stderr: 'drover-agent: DROVER_CONTROLLER_URL=nowhere is not a URL such as http://127.0.0.1:7410.\n',
    });
    const second = runAgent({ DROVER_AGENT_DIR: a.dir });
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(
      /^drover-agent: DROVER_AGENT_DIR: the agent of process \d+ uses .*; end it, or .*\n$/,
    );
    const stranger = runAgent({ DROVER_AGENT_DIR: join(dir, 'stranger') });
    expect(stranger.stderr).toMatch(/^drover-agent: DROVER_ENROLMENT_TOKEN_FILE is not set; .*\n$/);
  });
});

describe('a VM', () => {
  test('runs, is measured, pauses, goes on, and stops', async () => {
    const job = await startPager(a);
    const { vmId } = job;
    await eventually(() => {
      const vm = a.host.vm(vmId)!;
      expect(vm.dirtyRateMiBps).toBeGreaterThan(0.1);
      expect(vm.memoryUsedMiB).toBeGreaterThan(8);
      expect(vm.cpuUsedCores).toBeGreaterThan(0);
    });
    expect(a.host.last.memoryUsedMiB).toBe(32);

    await controller.order(a.host, { kind: 'pause', vmId, epoch: 1 });
    await eventually(() => expect(a.host.vm(vmId)?.status).toBe('paused'));
    await controller.order(a.host, { kind: 'resume', vmId, epoch: 1 });
    const beat = lastBeat(a.host.vm(vmId)!.consoleTail);
    await expectUp(a, vmId, beat);

    await powerOff(a, job);
    expect(a.vmmPids(vmId)).toEqual([]);
    a.host.answer = { ...a.host.answer, forgetVms: [{ vmId, epoch: 1 }] };
    await eventually(() => expect(a.host.vm(vmId)).toBeUndefined());
  });

  test('is started once, however often it is ordered', async () => {
    const job = await startPager(a);
    const pids = a.vmmPids(job.vmId);
    await controller.order(a.host, job);
    await eventually(() => expect(a.log).toContain('start ignored'));
    expect(a.vmmPids(job.vmId)).toEqual(pids);
    await powerOff(a, job);
  });

  test('has a console that can be read from any place on, and typed to', async () => {
    const job = await startPager(a);
    const path = `/v1/vms/${job.vmId}/console`;
    const first = (await (await a.request('GET', path)).json()) as ConsoleView;
    expect(first.text).toMatch(/^pager region=8 rate=1 /);
    expect(first).toMatchObject({ offset: 0, next: Buffer.byteLength(first.text) });
    await eventually(async () => {
      const rest = (await (await a.request('GET', `${path}?offset=${first.next}`)).json()) as ConsoleView;
      expect(rest.offset).toBe(first.next);
      expect(rest.text).toMatch(/^pager seq=/);
    });
    expect((await a.request('POST', path, { text: 'hello\n' })).status).toBe(204);
    await powerOff(a, job);
  });

  test('that ends by itself is down with its status', async () => {
    const job = pager('exit=3');
    await controller.order(a.host, { ...job, spec: { ...job.spec, image: 'hello' } });
    await eventually(() => {
      const vm = a.host.vm(job.vmId);
      expect(vm).toMatchObject({ status: 'down', exitCode: 3 });
      expect(vm!.consoleTail).not.toBe('');
    });
  });

  test('whose image is not here fails with a reason', async () => {
    const job = pager();
    await controller.order(a.host, { ...job, spec: { ...job.spec, image: 'no-such-image' } });
    await eventually(() => {
      expect(a.host.vm(job.vmId)).toMatchObject({ status: 'failed' });
      expect(a.host.vm(job.vmId)!.message).toContain('no image no-such-image on this host');
    });
  });

  test('whose process is killed has failed, and the others run on', async () => {
    const [victim, other] = [await startPager(a), await startPager(a)];
    process.kill(a.vmmPids(victim.vmId)[0]!, 'SIGKILL');
    await eventually(() =>
      expect(a.host.vm(victim.vmId)).toMatchObject({ status: 'failed', message: 'its process was killed by SIGKILL' }),
    );
    await expectUp(a, other.vmId, lastBeat(a.host.vm(other.vmId)!.consoleTail));
    await powerOff(a, other);
  });

  test('that must not run here is ended at once', async () => {
    const job = await startPager(a);
    a.host.answer = { ...a.host.answer, destroyVms: [{ vmId: job.vmId, epoch: 1 }] };
    await eventually(() => {
      expect(a.vmmPids(job.vmId)).toEqual([]);
      expect(a.host.vm(job.vmId)).toBeUndefined();
    });
    a.host.answer = { ...a.host.answer, destroyVms: [] };
  });
});

describe('an agent', () => {
  test('that is killed finds its VMs again', async () => {
    const job = await startPager(a);
    const url = a.url;
    const pids = a.vmmPids(job.vmId);
    const beat = lastBeat(a.host.vm(job.vmId)!.consoleTail);
    await a.end('SIGKILL');
    a.host.heartbeats = [];
    a.start();
    await eventually(() => a.host.last);
    await expectUp(a, job.vmId, beat + 1);
    expect(a.vmmPids(job.vmId)).toEqual(pids);
    expect(a.url).toBe(url);

    await a.end('SIGTERM'); // an orderly end leaves them alone too
    expect(a.vmmPids(job.vmId)).toEqual(pids);
    process.kill(pids[0]!, 'SIGKILL');
    a.host.heartbeats = [];
    a.start();
    await eventually(() => {
      expect(a.host.vm(job.vmId)).toMatchObject({ status: 'failed' });
      expect(a.host.vm(job.vmId)!.message).toContain('nobody saw how');
    });
  });

  test('whose controller is away goes on, and tells everything afterwards', async () => {
    const job = await startPager(a);
    await controller.goAway();
    const beats = a.host.heartbeats.length;
    process.kill(a.vmmPids(job.vmId)[0]!, 'SIGKILL');
    await eventually(() => expect(a.log).toContain('no answer from the controller'));
    await controller.listen();
    await eventually(() => {
      expect(a.host.heartbeats.length).toBeGreaterThan(beats);
      expect(a.host.vm(job.vmId)).toMatchObject({ status: 'failed' });
    });
    expect(a.log.match(/no answer from the controller/g)).toHaveLength(1);
  });

  test('of a host that ends stops its VMs and says so', async () => {
    const c = new AgentProcess(controller.addHost('host-c'), join(dir, 'c'), controller, {
      DROVER_STOP_VMS_ON_EXIT: '1',
    });
    c.start();
    await eventually(() => c.host.last);
    const job = await startPager(c);
    await c.end('SIGTERM');
    expect(c.vmmPids()).toEqual([]);
    expect(c.host.vm(job.vmId)).toMatchObject({ status: 'down', message: 'host shut down' });
    await c.destroy();
  });
});

describe('a migration', () => {
  const reportOf = (agent: AgentProcess, migrationId: string): MigrationReport => {
    const report = agent.host.last.migrations.find((migration) => migration.migrationId === migrationId);
    if (!report) throw new Error(`no report of migration ${migrationId} yet`);
    return report;
  };
  const ends = (agent: AgentProcess, migrationId: string, status: MigrationReport['status']) =>
    eventually(() => {
      const report = reportOf(agent, migrationId);
      expect(report, JSON.stringify(report.error)).toMatchObject({ status });
      return report;
    }, 60_000);
  /** Orders a move from a to b. */
  const move = async (vm: StartJob, limits = {}) => {
    const migrationId = randomUUID();
    await controller.order(a.host, a.migrateTo(b, vm, migrationId, limits));
    return migrationId;
  };
  /** One that takes long enough to do something to it. */
  const slowMove = async (vm: StartJob, limits = {}) => {
    const migrationId = await move(vm, { bandwidthMiBps: 2, ...limits });
    await eventually(() => expect(reportOf(a, migrationId).progress?.transferredBytes).toBeGreaterThan(2 ** 20));
    expect(reportOf(a, migrationId).status).toBe('precopy');
    return migrationId;
  };
  const end = async (agent: AgentProcess, vm: StartJob, epoch: number) => powerOff(agent, vm, epoch);
  const onlyAt = (agent: AgentProcess, vm: StartJob) => {
    const other = agent === a ? b : a;
    expect(agent.vmmPids(vm.vmId)).toHaveLength(1);
    expect(other.vmmPids(vm.vmId)).toEqual([]);
  };

  test('takes a running guest to the other host, and back', async () => {
    const vm = await startPager(a);
    const beat = lastBeat(a.host.vm(vm.vmId)!.consoleTail);
    const migrationId = await move(vm);
    const report = await ends(a, migrationId, 'completed');
    expect(report.iterations.length).toBeGreaterThan(0);
    const parts = Object.values(report.downtimeBreakdown!);
    expect(report.downtimeMs).toBeCloseTo(parts.reduce((sum, part) => sum + part, 0));
    expect(report.totalMs).toBeGreaterThan(0);
    expect(report.error).toBeNull();
    await expectUp(b, vm.vmId, beat);
    expect(b.host.vm(vm.vmId)).toMatchObject({ epoch: 2 });
    expect(a.host.vm(vm.vmId)).toBeUndefined();
    onlyAt(b, vm);

    a.host.answer = { ...a.host.answer, forgetMigrations: [migrationId] };
    await eventually(() => expect(a.host.last.migrations).toEqual([]));

    // The same order once more, and a start of an epoch that is long past, do no harm.
    await controller.order(a.host, a.migrateTo(b, vm, migrationId));
    await controller.order(a.host, vm);
    await eventually(() => {
      expect(a.log).toContain('order to migrate ignored');
      expect(a.log.match(new RegExp(`"vmId":"${vm.vmId}","epoch":1,"known":2`, 'g'))).toHaveLength(1);
    });

    const back = randomUUID();
    await controller.order(b.host, b.migrateTo(a, { ...vm, epoch: 2 }, back));
    await ends(b, back, 'completed');
    await expectUp(a, vm.vmId, beat);
    onlyAt(a, vm);
    await end(a, vm, 3);
  });

  test('can be cancelled, and be made faster while it runs', async () => {
    const vm = await startPager(a);
    const cancelled = await slowMove(vm);
    expect((await a.request('POST', `/v1/migrations/${cancelled}/cancel`)).status).toBe(202);
    await ends(a, cancelled, 'cancelled');
    await expectUp(a, vm.vmId, lastBeat(a.host.vm(vm.vmId)!.consoleTail));
    await eventually(() => onlyAt(a, vm));
    expect((await a.request('POST', `/v1/migrations/${cancelled}/cancel`)).status).toBe(409);

    const migrationId = randomUUID();
    const order = a.migrateTo(b, vm, migrationId, { bandwidthMiBps: 1 });
    const { agentToken } = b.host.enrolment!;
    const ticket = ticketFor(agentToken, { migrationId, vmId: vm.vmId, epoch: 3 });
    await controller.order(a.host, { ...order, epoch: 3, destination: { ...order.destination, ticket } });
    await eventually(() => expect(reportOf(a, migrationId).status).toBe('precopy'));
    const path = `/v1/migrations/${migrationId}/parameters`;
    expect((await a.request('PATCH', path, { bandwidthMiBps: null })).status).toBe(200);
    await ends(a, migrationId, 'completed');
    await expectUp(b, vm.vmId);
    await end(b, vm, 3);
  });

  test('whose time is up fails, and the guest goes on', async () => {
    const vm = await startPager(a);
    const migrationId = await slowMove(vm, { bandwidthMiBps: 1, timeoutSeconds: 5 });
    const { error } = await ends(a, migrationId, 'failed');
    expect(error).toMatchObject({ code: 'timeout', phase: 'perform', side: 'source' });
    await expectUp(a, vm.vmId, lastBeat(a.host.vm(vm.vmId)!.consoleTail));
    await eventually(() => onlyAt(a, vm));
    await end(a, vm, 1);
  });

  test('of a VM that is not here, or to a host that is full, fails with a reason', async () => {
    const stranger = await move(pager());
    expect((await ends(a, stranger, 'failed')).error).toMatchObject({ code: 'not_here', phase: 'begin' });

    const [vm, big] = [await startPager(a), await startPager(b, pager('region=8 rate=0', 240))];
    const migrationId = await move(vm);
    const { error } = await ends(a, migrationId, 'failed');
    expect(error).toMatchObject({ code: 'capacity', phase: 'prepare', side: 'destination' });
    expect(error!.message).toContain('needs 32 MiB');
    await expectUp(a, vm.vmId);
    onlyAt(a, vm);
    await Promise.all([end(a, vm, 1), end(b, big, 1)]);
  });

  test('whose destination process is killed fails, and the guest goes on', async () => {
    const vm = await startPager(a);
    const migrationId = await slowMove(vm);
    process.kill(b.vmmPids(vm.vmId)[0]!, 'SIGKILL');
    expect((await ends(a, migrationId, 'failed')).error).toMatchObject({ phase: 'perform' });
    await expectUp(a, vm.vmId, lastBeat(a.host.vm(vm.vmId)!.consoleTail));
    await end(a, vm, 1);
  });

  test('whose source process is killed fails, and nothing is left at the destination', async () => {
    const vm = await startPager(a);
    const migrationId = await slowMove(vm);
    process.kill(a.vmmPids(vm.vmId)[0]!, 'SIGKILL');
    expect((await ends(a, migrationId, 'failed')).error).toMatchObject({ code: 'source_died' });
    await eventually(() => {
      expect(a.host.vm(vm.vmId)).toMatchObject({ status: 'failed' });
      expect(b.vmmPids(vm.vmId)).toEqual([]);
      expect(b.host.vm(vm.vmId)).toBeUndefined();
    });
  });

  test.each([
    ['source', () => a],
    ['destination', () => b],
  ])('goes on when the agent of its %s is killed and comes back', async (_, agentOf) => {
    const vm = await startPager(a);
    const migrationId = await slowMove(vm);
    await agentOf().end('SIGKILL');
    agentOf().start();
    await ends(a, migrationId, 'completed');
    await expectUp(b, vm.vmId);
    onlyAt(b, vm);
    await end(b, vm, 2);
  });

  test('survives that the agent of its destination is killed while it prepares', async () => {
    const vm = await startPager(a);
    const migrationId = await move(vm);
    await vi.waitFor(() => expect(b.vmmPids(vm.vmId)).toHaveLength(1), { timeout: 20_000, interval: 5 });
    await b.end('SIGKILL');
    b.start();
    const { status } = await eventually(() => {
      const report = reportOf(a, migrationId);
      expect(['completed', 'failed']).toContain(report.status);
      return report;
    }, 60_000);
    const [home, epoch] = status === 'completed' ? ([b, 2] as const) : ([a, 1] as const);
    await expectUp(home, vm.vmId);
    await eventually(() => onlyAt(home, vm));
    await end(home, vm, epoch);
  });

  test('to a host whose agent is away fails after a while; what it may have is thrown away when it returns', async () => {
    const vm = await startPager(a);
    await b.end('SIGKILL');
    const migrationId = await move(vm);
    const { error } = await ends(a, migrationId, 'failed');
    expect(error).toMatchObject({ code: 'destination_unreachable', phase: 'prepare' });
    await expectUp(a, vm.vmId, lastBeat(a.host.vm(vm.vmId)!.consoleTail));
    b.start();
    await eventually(() => expect(a.log).toMatch(new RegExp(`"migrationId":"${migrationId}".*migration ended`)));
    await end(a, vm, 1);
  });

  test('whose last message was lost is finished by the agents, for as long as one of them is away', async () => {
    const proxy = await CuttingProxy.start(() => b.url);
    const vm = await startPager(a);
    const migrationId = randomUUID();
    const order = a.migrateTo(b, vm, migrationId, { bandwidthMiBps: 4 });
    await controller.order(a.host, { ...order, destination: { ...order.destination, agentUrl: proxy.url } });
    await eventually(() => expect(reportOf(a, migrationId).status).toBe('precopy'));
    await b.end('SIGKILL');
    await eventually(() => expect(proxy.hasCut).toBe(true), 60_000);

    // Nobody knows now but the destination's process; the source keeps its copy stopped and asks.
    await eventually(() => expect(a.log).toMatch(new RegExp(`"migrationId":"${migrationId}".*"action":"ask_finish"`)));
    await eventually(() => expect(reportOf(a, migrationId).status).toBe('switchover'));
    expect(a.host.vm(vm.vmId)).toMatchObject({ status: 'migrating' });
    await a.end('SIGKILL'); // an agent that forgets everything in between comes to the same conclusion
    a.start();
    const beat = lastBeat(a.host.vm(vm.vmId)!.consoleTail);

    b.host.heartbeats = [];
    b.start();
    await ends(a, migrationId, 'completed');
    await eventually(() => b.host.last);
    await expectUp(b, vm.vmId, beat);
    onlyAt(b, vm);
    await end(b, vm, 2);
    proxy.stop();
  });
});
