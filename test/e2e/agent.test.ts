/** A real agent with real VMs, and a controller that a test plays. */
import { randomUUID } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ConsoleView, HostJob, MigrationReport } from '#contracts';
import type { EmbeddedPostgres } from '../../tools/postgres.js';
import { AgentProcess } from '../agent/agent-process.js';
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

  test('starts only with settings that make sense', () => {
    const agent = join(root, 'dist/apps/agent/main.js');
    const { status, stderr } = spawnSync(process.execPath, [agent], {
      env: { PATH: process.env.PATH, DROVER_CONTROLLER_URL: 'nowhere', DROVER_AGENT_DIR: dir },
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stderr).toBe('drover-agent: DROVER_CONTROLLER_URL=nowhere is not a URL such as http://127.0.0.1:7410.\n');
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
