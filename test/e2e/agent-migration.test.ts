/** Live migrations between two real agents, and what becomes of them when somebody dies in between. */
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { MigrationReport } from '#contracts';
import { Isolation, VmmDriver } from '#hypervisor';
import { ticketFor } from '../../apps/agent/migration/ticket.js';
import type { AgentProcess } from '../agent/agent-process.js';
import { CuttingProxy } from '../agent/cutting-proxy.js';
import type { FakeController } from '../agent/fake-controller.js';
import { eventually, lastBeat, pager, type StartJob, TwoHosts } from '../agent/two-hosts.js';

const ROOT = join(import.meta.dirname, '../..');
const PROGRAM = join(ROOT, 'dist/apps/vmm/main.js');
const PAGER = join(ROOT, 'guests/pager.elf');

let hosts: TwoHosts;
let controller: FakeController;
let a: AgentProcess;
let b: AgentProcess;

beforeAll(async () => {
  hosts = await TwoHosts.start();
  ({ controller, a, b } = hosts);
});
afterAll(() => hosts?.stop());

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
  }, 90_000);
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
const onlyAt = (agent: AgentProcess, vm: StartJob) => {
  const other = agent === a ? b : a;
  expect(agent.vmmPids(vm.vmId)).toHaveLength(1);
  expect(other.vmmPids(vm.vmId)).toEqual([]);
};

test('takes a running guest to the other host, and back', async () => {
  const vm = await hosts.startPager(a);
  const beat = lastBeat(a, vm.vmId);
  const migrationId = await move(vm);
  const report = await ends(a, migrationId, 'completed');
  expect(report.iterations.length).toBeGreaterThan(0);
  const parts = Object.values(report.downtimeBreakdown!);
  expect(report.downtimeMs).toBeCloseTo(parts.reduce((sum, part) => sum + part, 0));
  expect(report.totalMs).toBeGreaterThan(0);
  expect(report.error).toBeNull();
  await hosts.expectUp(b, vm.vmId, beat);
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
  await hosts.expectUp(a, vm.vmId, beat);
  onlyAt(a, vm);
  await hosts.powerOff(a, vm, 3);
});

/** Starts a VM as agents did before they gave VMs any devices of their own accord; it is found by today's. */
async function startAsOldAgent(): Promise<StartJob> {
  const vm = await hosts.startPager(a);
  await a.end('SIGKILL');
  const file = join(a.dir, 'vms', `${vm.vmId}.json`);
  const record = JSON.parse(readFileSync(file, 'utf8')) as { process: { qmpSocket: string; pid: number } };
  process.kill(record.process.pid, 'SIGKILL');
  const { vcpus, memoryMiB, append } = vm.spec;
  const place = { folder: join(a.dir, 'vms', vm.vmId), runtimeFolder: dirname(record.process.qmpSocket) };
  const spec = { vmId: vm.vmId, vcpus, memoryMiB, append, nics: [], disks: [], devices: [], incoming: false, ...place };
  const driver = new VmmDriver(PROGRAM, Isolation.none(PROGRAM, 'an old agent knows none'));
  const { agentSocket: _, ...handle } = await driver.launch({ ...spec, kernel: PAGER });
  const old = await driver.connect(handle, 60_000);
  await old.cont();
  old.release();
  writeFileSync(file, JSON.stringify({ ...record, process: handle }));
  a.host.heartbeats = [];
  a.start();
  await eventually(() => a.host.last);
  await hosts.expectUp(a, vm.vmId);
  return vm;
}

test('a VM of an older agent keeps the devices that it has: it goes where there are others, and back', async () => {
  const vm = await startAsOldAgent();
  const there = await move(vm);
  await ends(a, there, 'completed');
  await hosts.expectUp(b, vm.vmId);
  const back = randomUUID();
  await controller.order(b.host, b.migrateTo(a, { ...vm, epoch: 2 }, back));
  await ends(b, back, 'completed');
  await hosts.expectUp(a, vm.vmId);
  onlyAt(a, vm);
  await hosts.powerOff(a, vm, 3);
});

test('can be cancelled, and be made faster while it runs', async () => {
  const vm = await hosts.startPager(a);
  const cancelled = await slowMove(vm);
  expect((await a.request('POST', `/v1/migrations/${cancelled}/cancel`)).status).toBe(202);
  await ends(a, cancelled, 'cancelled');
  await hosts.expectUp(a, vm.vmId, lastBeat(a, vm.vmId));
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
  await hosts.expectUp(b, vm.vmId);
  await hosts.powerOff(b, vm, 3);
});

test('whose time is up fails, and the guest goes on', async () => {
  const vm = await hosts.startPager(a);
  const migrationId = await move(vm, { bandwidthMiBps: 1, timeoutSeconds: 3 });
  const { error } = await ends(a, migrationId, 'failed');
  expect(error).toMatchObject({ code: 'timeout', phase: 'perform', side: 'source' });
  await hosts.expectUp(a, vm.vmId, lastBeat(a, vm.vmId));
  await eventually(() => onlyAt(a, vm));
  await hosts.powerOff(a, vm, 1);
});

test('of a VM that is not here, or to a host that is full, fails with a reason', async () => {
  const stranger = await move(pager());
  expect((await ends(a, stranger, 'failed')).error).toMatchObject({ code: 'not_here', phase: 'begin' });

  const [vm, big] = [await hosts.startPager(a), await hosts.startPager(b, pager('region=8 rate=0', 240))];
  const migrationId = await move(vm);
  const { error } = await ends(a, migrationId, 'failed');
  expect(error).toMatchObject({ code: 'capacity', phase: 'prepare', side: 'destination' });
  expect(error!.message).toContain('needs 32 MiB');
  await hosts.expectUp(a, vm.vmId);
  onlyAt(a, vm);
  await Promise.all([hosts.powerOff(a, vm, 1), hosts.powerOff(b, big, 1)]);
});

test('whose destination process is killed fails, and the guest goes on', async () => {
  const vm = await hosts.startPager(a);
  const migrationId = await slowMove(vm);
  process.kill(b.vmmPids(vm.vmId)[0]!, 'SIGKILL');
  expect((await ends(a, migrationId, 'failed')).error).toMatchObject({ phase: 'perform' });
  await hosts.expectUp(a, vm.vmId, lastBeat(a, vm.vmId));
  await hosts.powerOff(a, vm, 1);
});

test('whose source process is killed fails, and nothing is left at the destination', async () => {
  const vm = await hosts.startPager(a);
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
  const vm = await hosts.startPager(a);
  const migrationId = await slowMove(vm);
  await agentOf().end('SIGKILL');
  agentOf().start();
  await ends(a, migrationId, 'completed');
  await hosts.expectUp(b, vm.vmId);
  onlyAt(b, vm);
  await hosts.powerOff(b, vm, 2);
});

test('survives that the agent of its destination is killed while it prepares', async () => {
  const vm = await hosts.startPager(a);
  const migrationId = await move(vm);
  await vi.waitFor(() => expect(b.vmmPids(vm.vmId)).toHaveLength(1), { timeout: 90_000, interval: 5 });
  await b.end('SIGKILL');
  b.start();
  const { status } = await eventually(() => {
    const report = reportOf(a, migrationId);
    expect(['completed', 'failed']).toContain(report.status);
    return report;
  }, 90_000);
  const [home, epoch] = status === 'completed' ? ([b, 2] as const) : ([a, 1] as const);
  await hosts.expectUp(home, vm.vmId);
  await eventually(() => onlyAt(home, vm));
  await hosts.powerOff(home, vm, epoch);
});

test('to a host whose agent is away fails after a while; what it may have is thrown away when it returns', async () => {
  const vm = await hosts.startPager(a);
  await b.end('SIGKILL');
  const migrationId = await move(vm, { timeoutSeconds: 2 });
  const { error } = await ends(a, migrationId, 'failed');
  expect(error).toMatchObject({ code: 'destination_unreachable', phase: 'prepare' });
  await hosts.expectUp(a, vm.vmId, lastBeat(a, vm.vmId));
  b.start();
  await eventually(() => expect(a.log).toMatch(new RegExp(`"migrationId":"${migrationId}".*migration ended`)));
  await hosts.powerOff(a, vm, 1);
});

test('whose last message was lost is finished by the agents, for as long as one of them is away', async () => {
  const proxy = await CuttingProxy.start(() => b.url);
  const vm = await hosts.startPager(a);
  const migrationId = randomUUID();
  const order = a.migrateTo(b, vm, migrationId, { bandwidthMiBps: 4 });
  const destination = { ...order.destination, agentUrl: proxy.url };
  await controller.order(a.host, { ...order, destination, encrypted: false }); // or the proxy could not read
  await eventually(() => expect(reportOf(a, migrationId).status).toBe('precopy'));
  await b.end('SIGKILL');
  await eventually(() => expect(proxy.hasCut).toBe(true), 90_000);

  // Nobody knows now but the destination's process; the source keeps its copy stopped and asks.
  await eventually(() => expect(a.log).toMatch(new RegExp(`"migrationId":"${migrationId}".*"action":"ask_finish"`)));
  await eventually(() => expect(reportOf(a, migrationId).status).toBe('switchover'));
  expect(a.host.vm(vm.vmId)).toMatchObject({ status: 'migrating' });
  await a.end('SIGKILL'); // an agent that forgets everything in between comes to the same conclusion
  a.start();
  const beat = lastBeat(a, vm.vmId);

  b.host.heartbeats = [];
  b.start();
  await ends(a, migrationId, 'completed');
  await eventually(() => b.host.last);
  await hosts.expectUp(b, vm.vmId, beat);
  onlyAt(b, vm);
  await hosts.powerOff(b, vm, 2);
  proxy.stop();
});
