/** Migrations of guests that write faster than they are sent, between two real agents whose controller says nothing. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { z } from 'zod';
import type { Convergence, MigrationReport } from '#contracts';
import { VcpuLimit } from '#hypervisor';
import { step } from '../agent/step.js';
import { eventually, lastBeat, pager, type StartJob, TwoHosts } from '../agent/two-hosts.js';

let hosts: TwoHosts;

beforeAll(async () => {
  hosts = await TwoHosts.start();
});
afterAll(() => hosts?.stop());

vi.setConfig({ testTimeout: 180_000 });

const BUSY = 'region=8 rate=max';
/** MiB/s: far less than that guest writes. */
const NARROW = { bandwidthMiBps: 16, timeoutSeconds: 90 };

const reportOf = (migrationId: string): MigrationReport => {
  const report = hosts.a.host.last.migrations.find((each) => each.migrationId === migrationId);
  if (!report) throw new Error(`no report of migration ${migrationId} yet`);
  return report;
};
const move = async (vm: StartJob, convergence: z.input<typeof Convergence>, limits: object = {}) => {
  const migrationId = randomUUID();
  const order = hosts.a.migrateTo(hosts.b, vm, migrationId, { ...NARROW, ...limits, convergence });
  await hosts.controller.order(hosts.a.host, { ...order, downtimeLimitMs: 50 });
  return migrationId;
};
const completes = (migrationId: string) =>
  eventually(() => {
    const report = reportOf(migrationId);
    expect(report, JSON.stringify(report)).toMatchObject({ status: 'completed', error: null });
    return report;
  }, 90_000);

test('a throttle is chosen by what it takes; the guest is as fast as ever afterwards', async () => {
  const vm = await hosts.startPager(hosts.a, pager(BUSY));
  const migrationId = await move(vm, { means: [{ means: 'throttle' }], deadlineSeconds: 20 });
  await eventually(() => expect(reportOf(migrationId).facts?.passes.length).toBeGreaterThan(0));
  expect(reportOf(migrationId).facts!.atHand).toContainEqual({ means: 'throttle', inFlight: true });
  // The controller answers heartbeats, so it would decide: nothing is done without it.
  expect(reportOf(migrationId).decisions).toEqual([]);
  await hosts.controller.goAway();
  await eventually(() => expect(hosts.a.log).toMatch(/"status":"completed".*migration ended/), 90_000);
  expect(hosts.a.log).toMatch(/"by":"agent","means":"throttle"/);
  await hosts.controller.listen();
  const { decisions } = await completes(migrationId);
  expect(decisions[0]).toMatchObject({ number: 1, by: 'agent', means: 'throttle', failure: null });
  expect(decisions[0]!.reason).toMatch(
    /the guest writes .* the link carries .* would not end.* vCPUs throttled by \d+ %/,
  );
  expect(decisions[0]!.figures.bandwidthMiBps).toBeGreaterThan(1);
  await hosts.expectUp(hosts.b, vm.vmId, lastBeat(hosts.b, vm.vmId));
  await hosts.powerOff(hosts.b, vm, 2);
});

test('what the controller decides is carried out once, and what cannot be is told', async () => {
  const vm = await hosts.startPager(hosts.a, pager(BUSY));
  const migrationId = await move(vm, { means: [{ means: 'throttle' }, { means: 'post_copy' }, { means: 'suspend' }] });
  await eventually(() => expect(reportOf(migrationId).status).toBe('precopy'));
  const { host } = hosts.a;
  const steps = [step(migrationId, 1, 'throttle', 120), step(migrationId, 3, 'suspend')];
  host.answer = { ...host.answer, steps };
  await eventually(() =>
    expect(reportOf(migrationId).decisions).toMatchObject([{ means: 'throttle', by: 'controller' }]),
  );
  expect(reportOf(migrationId).decisions[0]!.failure).toMatch(/x-drover-cpu-throttle/);
  host.answer = { ...host.answer, steps: [step(migrationId, 2, 'suspend')] };
  const { decisions } = await completes(migrationId);
  host.answer = { ...host.answer, steps: [] };
  expect(decisions.map(({ means }) => means)).toEqual(['throttle', 'suspend']);
  await hosts.expectUp(hosts.b, vm.vmId, lastBeat(hosts.b, vm.vmId));
  await hosts.powerOff(hosts.b, vm, 2);
});

const hasControlGroups = new VcpuLimit().isPossible(process.pid);
if (!hasControlGroups)
  console.warn('skipped: a limit to the CPU time of vCPUs, because no control group can be made here');

test.runIf(hasControlGroups)('the CPU time of its vCPUs alone is limited, and no longer than it migrates', async () => {
  const vm = await hosts.startPager(hosts.a, pager(BUSY));
  const [pid] = hosts.a.vmmPids(vm.vmId);
  const limited = async () => {
    const qmp = await hosts.a.monitor(vm.vmId);
    const vcpus = await qmp.execute<{ 'thread-id': number }[]>('query-cpus-fast');
    qmp.close();
    const group = (task: number) => readFileSync(`/proc/${pid}/task/${task}/cgroup`, 'utf8');
    expect(group(pid!)).not.toContain(`drover-vcpus-${pid}`);
    return vcpus.map((vcpu) => group(vcpu['thread-id']).includes(`/drover-vcpus-${pid}\n`));
  };
  const migrationId = await move(vm, { means: [{ means: 'cpu_limit' }] });
  await eventually(() => expect(reportOf(migrationId).status).toBe('precopy'));
  const { host } = hosts.a;
  host.answer = { ...host.answer, steps: [step(migrationId, 1, 'cpu_limit', 90)] };
  await eventually(() =>
    expect(reportOf(migrationId).decisions).toMatchObject([{ means: 'cpu_limit', failure: null }]),
  );
  expect(await limited()).toEqual([true]);
  host.answer = { ...host.answer, steps: [] };
  expect((await hosts.a.request('POST', `/v1/migrations/${migrationId}/cancel`)).status).toBe(202);
  await eventually(() => expect(reportOf(migrationId).status).toBe('cancelled'));
  await eventually(async () => expect(await limited()).toEqual([false]));
  await hosts.expectUp(hosts.a, vm.vmId, lastBeat(hosts.a, vm.vmId));
  await hosts.powerOff(hosts.a, vm, 1);
});

test('post-copy: the guest runs at the destination, and the source stays until it has all of it', async () => {
  const vm = await hosts.startPager(hosts.a, pager(BUSY));
  const migrationId = await move(vm, { means: [{ means: 'post_copy' }] });
  await eventually(() => expect(reportOf(migrationId).facts?.passes.length).toBeGreaterThan(0));
  const { host } = hosts.a;
  // Others use the link, too, as the controller says.
  host.answer = { ...host.answer, bandwidths: [{ migrationId, bandwidthMiBps: 12 }] };
  const qmp = await hosts.a.monitor(vm.vmId);
  await eventually(async () =>
    expect(await qmp.execute('query-migrate-parameters')).toMatchObject({
      'max-bandwidth': 12 * 2 ** 20,
      'max-postcopy-bandwidth': 12 * 2 ** 20,
    }),
  );
  qmp.close();
  await eventually(() =>
    expect(reportOf(migrationId)).toMatchObject({ status: 'precopy', facts: { bandwidthMiBps: 12 } }),
  );
  host.answer = { ...host.answer, steps: [step(migrationId, 1, 'post_copy')] };
  const { decisions } = await completes(migrationId);
  host.answer = { ...host.answer, steps: [] };
  expect(decisions).toMatchObject([{ means: 'post_copy', failure: null }]);
  expect(hosts.a.log).toContain('the guest runs at the destination, its pages follow');
  await hosts.expectUp(hosts.b, vm.vmId, lastBeat(hosts.b, vm.vmId));
  expect(hosts.a.vmmPids(vm.vmId)).toEqual([]);
  await hosts.powerOff(hosts.b, vm, 2);
});

test.each([
  {
    how: 'is powered off: nothing of it is missed',
    end: (vm: StartJob) => hosts.powerOff(hosts.b, vm, 2),
    expected: { status: 'completed', error: null },
  },
  {
    how: 'is killed with its process: it is lost, and that is known soon',
    end: async ({ vmId }: StartJob) => hosts.b.vmmPids(vmId).forEach((pid) => process.kill(pid, 'SIGKILL')),
    expected: { status: 'failed', error: { code: 'destination_lost', side: 'destination' } },
  },
])('a guest that is at the destination, with pages still to come, and $how', async ({ end, expected }) => {
  // It is paused, so that it asks for none of them.
  const vm = await hosts.startPager(hosts.a, pager('region=24 rate=1', 64));
  await hosts.controller.order(hosts.a.host, { kind: 'pause', vmId: vm.vmId, epoch: 1 });
  await eventually(() => expect(hosts.a.host.vm(vm.vmId)?.status).toBe('paused'));
  const migrationId = await move(vm, { means: [{ means: 'post_copy' }] }, { bandwidthMiBps: 1 });
  await eventually(() => expect(reportOf(migrationId).status).toBe('precopy'));
  const { host } = hosts.a;
  host.answer = { ...host.answer, steps: [step(migrationId, 1, 'post_copy')] };
  await eventually(() => expect(reportOf(migrationId).status).toBe('postcopy'));
  host.answer = { ...host.answer, steps: [] };
  await eventually(() => expect(hosts.b.host.vm(vm.vmId)?.status).toBe('paused'));
  await end(vm);
  await eventually(() => expect(reportOf(migrationId)).toMatchObject(expected), 90_000);
  await eventually(() => expect(hosts.a.vmmPids(vm.vmId)).toEqual([]));
});
