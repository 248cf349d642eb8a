/** A real agent with real VMs, and a controller that a test plays. */
import { randomUUID } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConsoleView } from '#contracts';
import { AgentProcess } from '../agent/agent-process.js';
import type { FakeController } from '../agent/fake-controller.js';
import { eventually, lastBeat, pager, TwoHosts } from '../agent/two-hosts.js';

const root = join(import.meta.dirname, '..', '..');

let hosts: TwoHosts;
let controller: FakeController;
let a: AgentProcess;
let b: AgentProcess;

beforeAll(async () => {
  hosts = await TwoHosts.start();
  ({ controller, a, b } = hosts);
});
afterAll(() => hosts?.stop());

describe('a host', () => {
  test('enrols once, and tells what it has', () => {
    expect(a.host.enrolment).toMatchObject({ cpuCores: 2, memoryMiB: 256 });
    expect(a.host.last).toMatchObject({ cpuCores: 2, memoryMiB: 256, memoryUsedMiB: 0, vms: [], migrations: [] });
    const { isolation } = a.host.last;
    expect(isolation.map(({ measure }) => measure)).toContain('own_user');
    for (const { inForce, reason } of isolation) expect(reason === '').toBe(inForce);
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
    const wrong = runAgent({ DROVER_CONTROLLER_URL: 'nowhere', DROVER_AGENT_DIR: hosts.dir });
    expect(wrong).toMatchObject({
      status: 1,
      stderr: 'drover-agent: DROVER_CONTROLLER_URL=nowhere is not a URL such as http://127.0.0.1:7410.\n',
    });
    const second = runAgent({ DROVER_AGENT_DIR: a.dir });
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(
      /^drover-agent: DROVER_AGENT_DIR: the agent of process \d+ uses .*; end it, or .*\n$/,
    );
    const stranger = runAgent({ DROVER_AGENT_DIR: join(hosts.dir, 'stranger') });
    expect(stranger.stderr).toMatch(/^drover-agent: DROVER_ENROLMENT_TOKEN_FILE is not set; .*\n$/);
  });
});

describe('a VM', () => {
  test('is told of at once, though heartbeats are wanted rarely', async () => {
    const { answer } = a.host;
    const job = await hosts.startPager(a);
    const { vmId } = job;
    a.host.answer = { ...answer, nextHeartbeatMs: 3_600_000 };
    await controller.order(a.host, { kind: 'pause', vmId, epoch: 1 });
    await eventually(() => expect(a.host.vm(vmId)?.status).toBe('paused'));
    await controller.order(a.host, { kind: 'resume', vmId, epoch: 1 });
    await eventually(() => expect(a.host.vm(vmId)?.status).toBe('up'));
    a.host.answer = answer;
    await hosts.powerOff(a, job);
    a.host.answer = { ...answer, forgetVms: [{ vmId, epoch: 1 }] };
    await eventually(() => expect(a.host.vm(vmId)).toBeUndefined());
  });

  test('runs, is measured, pauses, goes on, and stops', async () => {
    const job = await hosts.startPager(a);
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
    const beat = lastBeat(a, vmId);
    await hosts.expectUp(a, vmId, beat);

    await hosts.powerOff(a, job);
    expect(a.vmmPids(vmId)).toEqual([]);
    a.host.answer = { ...a.host.answer, forgetVms: [{ vmId, epoch: 1 }] };
    await eventually(() => expect(a.host.vm(vmId)).toBeUndefined());
  });

  test('is started once, however often it is ordered', async () => {
    const job = await hosts.startPager(a);
    const pids = a.vmmPids(job.vmId);
    await controller.order(a.host, job);
    await eventually(() => expect(a.log).toContain('start ignored'));
    expect(a.vmmPids(job.vmId)).toEqual(pids);
    await hosts.powerOff(a, job);
  });

  test('has a console that can be read from any place on, and typed to', async () => {
    const job = await hosts.startPager(a);
    const path = `/v1/vms/${job.vmId}/console`;
    const first = (await (await a.request('GET', path)).json()) as ConsoleView;
    expect(first.text).toMatch(/^pager region=8 rate=1 /);
    expect(first).toMatchObject({ offset: 0, next: Buffer.byteLength(first.text) });
    await eventually(async () => {
      const rest = (await (await a.request('GET', `${path}?offset=${first.next}`)).json()) as ConsoleView;
      expect(rest.offset).toBe(first.next);
      expect(rest.text).toContain('pager seq=');
      const lines = (first.text + rest.text).split(/\r?\n/).slice(0, -1);
      for (const line of lines) expect(line).toMatch(/^pager (region|seq)=\d+ /);
    });
    expect((await a.request('POST', path, { text: 'hello\n' })).status).toBe(204);
    await hosts.powerOff(a, job);
  });

  test('that ends by itself is down with its status', async () => {
    const job = pager();
    await controller.order(a.host, { ...job, spec: { ...job.spec, image: 'hello', append: 'exit=3' } });
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
    const [victim, other] = [await hosts.startPager(a), await hosts.startPager(a)];
    process.kill(a.vmmPids(victim.vmId)[0]!, 'SIGKILL');
    await eventually(() =>
      expect(a.host.vm(victim.vmId)).toMatchObject({ status: 'failed', message: 'its process was killed by SIGKILL' }),
    );
    await hosts.expectUp(a, other.vmId, lastBeat(a, other.vmId));
    await hosts.powerOff(a, other);
  });

  test('that must not run here is ended at once', async () => {
    const job = await hosts.startPager(a);
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
    const job = await hosts.startPager(a);
    const url = a.url;
    const pids = a.vmmPids(job.vmId);
    const beat = lastBeat(a, job.vmId);
    await a.end('SIGKILL');
    a.host.heartbeats = [];
    a.start();
    await eventually(() => a.host.last);
    await hosts.expectUp(a, job.vmId, beat + 1);
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
    const job = await hosts.startPager(a);
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
    const c = new AgentProcess(controller.addHost('host-c'), join(hosts.dir, 'c'), controller, {
      DROVER_STOP_VMS_ON_EXIT: '1',
    });
    c.start();
    await eventually(() => c.host.last);
    const job = await hosts.startPager(c);
    await c.end('SIGTERM');
    expect(c.vmmPids()).toEqual([]);
    expect(c.host.vm(job.vmId)).toMatchObject({ status: 'down', message: 'host shut down' });
    await c.destroy();
  });
});
