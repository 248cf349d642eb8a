/** Guests on one network, on two hosts with real agents: through agents that die, and over a migration. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { QmpClient } from '#qmp';
import type { VmRecord } from '../../apps/agent/vms/vm-record.js';
import type { AgentProcess } from '../agent/agent-process.js';
import { eventually, type StartJob, TwoHosts } from '../agent/two-hosts.js';
import { answeredIn, lastEchoLine } from './echo.js';

let hosts: TwoHosts;
let a: AgentProcess;
let b: AgentProcess;

/** Both hosts have a device that guests may have; nobody is behind it. */
let folder: string;
let device: Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drover-device-'));
  const path = join(folder, 'fast0');
  device = createServer((socket) => socket.resume()).listen({ path, readableAll: true, writableAll: true });
  hosts = await TwoHosts.start({ DROVER_HOST_DEVICES: `fast0=${path}` });
  ({ a, b } = hosts);
  hosts.introduce();
});
afterAll(async () => {
  await hosts?.stop();
  device.close();
  rmSync(folder, { recursive: true });
});

/** An order to start a guest that asks another one all the time. */
const echo = (n: number, peer: number, network = 'default'): StartJob => ({
  kind: 'start',
  vmId: randomUUID(),
  epoch: 1,
  spec: {
    name: `echo-${n}`,
    vcpus: 1,
    memoryMiB: 16,
    image: 'echo',
    append: `ip=10.0.0.${n} peer=10.0.0.${peer} interval_ms=5 line_ms=100`,
    nics: [{ network, mac: `52:54:00:00:00:0${n}` }],
    disks: [],
  },
});

const answered = (agent: AgentProcess, { vmId }: StartJob) => answeredIn(agent.host.vm(vmId)?.consoleTail ?? '');

/** From now on it is answered. */
async function expectAnswers(agent: AgentProcess, vm: StartJob): Promise<void> {
  const before = answered(agent, vm);
  await eventually(() => expect(answered(agent, vm)).toBeGreaterThan(before + 50));
}

test('guests of two hosts reach each other, stay in touch while one moves, and when agents are started again', async () => {
  const [moving, staying] = [echo(1, 2), echo(2, 1)];
  await hosts.controller.order(a.host, moving);
  await hosts.controller.order(b.host, staying);
  await expectAnswers(a, moving);
  await expectAnswers(b, staying);
  // The switches have counted what they ask and answer.
  const used = (agent: AgentProcess, { vmId }: StartJob) => agent.host.vm(vmId)?.networkUsedMiBps;
  await eventually(() => expect(used(a, moving)).toBeGreaterThan(0));
  await eventually(() => expect(used(b, staying)).toBeGreaterThan(0));

  await hosts.controller.order(a.host, a.migrateTo(b, moving, randomUUID()));
  await eventually(() => expect(b.host.vm(moving.vmId)?.status).toBe('up'));
  await expectAnswers(b, moving);
  await expectAnswers(b, staying);

  await b.end('SIGKILL');
  b.start();
  await expectAnswers(b, moving);
  await expectAnswers(b, staying);
  for (const [vm, epoch] of [
    [moving, 2],
    [staying, 1],
  ] as const)
    await hosts.powerOff(b, vm, epoch);
});

test('guests of different networks do not', async () => {
  const [one, other] = [echo(3, 4, 'red'), echo(4, 3, 'blue')];
  const friend = echo(5, 3, 'red');
  await hosts.controller.order(a.host, one);
  await hosts.controller.order(b.host, other);
  await hosts.controller.order(b.host, friend);
  await expectAnswers(b, friend);
  expect([answered(a, one), answered(b, other)]).toEqual([0, 0]);
});

/** A guest with a device of its host. */
async function startWithDevice(n: number, append = ''): Promise<StartJob> {
  const plain = echo(n, 9);
  const nics = plain.spec.nics.map((nic) => ({ ...nic, hostDevice: 'fast0' }));
  const job = { ...plain, spec: { ...plain.spec, nics, append: `ip=10.0.0.${n} line_ms=100 ${append}` } };
  await hosts.controller.order(a.host, job);
  await expectDevice(a, job);
  return job;
}
const expectDevice = (agent: AgentProcess, { vmId }: StartJob) =>
  eventually(() => expect(lastEchoLine(agent.host.vm(vmId)?.consoleTail ?? '').primary).toBe(1), 90_000);

test('a guest lets the device of its host go, moves, and has that of the other; one that keeps it stays', async () => {
  expect(a.host.last.hostDevices).toEqual(['fast0']);
  const moves = await startWithDevice(6);
  await hosts.controller.order(a.host, a.migrateTo(b, moves, randomUUID()));
  await eventually(() => expect(b.host.vm(moves.vmId)?.status).toBe('up'), 90_000);
  await expectDevice(b, moves);

  const stays = await startWithDevice(7, 'keep_primary=1');
  const record = JSON.parse(readFileSync(join(a.dir, 'vms', `${stays.vmId}.json`), 'utf8')) as VmRecord;
  const qmp = await QmpClient.connect({ path: record.process!.qmpSocket });
  await qmp.execute('migrate-set-parameters', { 'x-drover-unplug-timeout': 1 });
  qmp.close();
  const migrationId = randomUUID();
  await hosts.controller.order(a.host, a.migrateTo(b, stays, migrationId));
  await eventually(() => {
    const report = a.host.last.migrations.find((migration) => migration.migrationId === migrationId);
    expect(report).toMatchObject({ status: 'failed', error: { code: 'host_device', side: 'source' } });
    expect(report!.error!.message).toContain('has not let device host0 of the host go within 1 s');
  }, 90_000);
  expect(a.host.vm(stays.vmId)).toMatchObject({ status: 'up' });
  await expectDevice(a, stays);

  const nics = [{ network: 'default', mac: '52:54:00:00:00:08', hostDevice: 'none' }];
  const nowhere = { ...echo(8, 9), spec: { ...echo(8, 9).spec, nics } };
  await hosts.controller.order(a.host, nowhere);
  await eventually(() => expect(a.host.vm(nowhere.vmId)?.message).toContain('has no device none for guests'));
});
