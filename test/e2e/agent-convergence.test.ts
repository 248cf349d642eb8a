/** Migrations of guests that write faster than they are sent, between two real agents whose controller says nothing. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { z } from 'zod';
import type { Convergence, MigrationReport } from '#contracts';
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
  const figures = { elapsedMs: 1, leftMs: 1, remainingBytes: 1, bandwidthMiBps: null, dirtyRateMiBps: null };
  const step = (number: number, means: 'multifd' | 'throttle' | 'suspend', value: number | null) => ({
    ...{ migrationId, number, means, value, reason: 'for a test', restart: false },
    figures: { ...figures, expectedTotalMs: null, expectedDowntimeMs: null, candidates: [] },
  });
  const { host } = hosts.a;
  host.answer = { ...host.answer, steps: [step(1, 'throttle', 120), step(3, 'suspend', null)] };
  await eventually(() =>
    expect(reportOf(migrationId).decisions).toMatchObject([{ means: 'throttle', by: 'controller' }]),
  );
  expect(reportOf(migrationId).decisions[0]!.failure).toMatch(/x-drover-cpu-throttle/);
  host.answer = { ...host.answer, steps: [step(2, 'suspend', null)] };
  const { decisions } = await completes(migrationId);
  host.answer = { ...host.answer, steps: [] };
  expect(decisions.map(({ means }) => means)).toEqual(['throttle', 'suspend']);
  await hosts.expectUp(hosts.b, vm.vmId, lastBeat(hosts.b, vm.vmId));
  await hosts.powerOff(hosts.b, vm, 2);
});

test('post-copy: the guest runs at the destination, and the source stays until it has all of it', async () => {
  const vm = await hosts.startPager(hosts.a, pager(BUSY));
  const migrationId = await move(vm, { means: [{ means: 'post_copy' }] });
  await eventually(() => expect(reportOf(migrationId).facts?.passes.length).toBeGreaterThan(0));
  const figures = { elapsedMs: 1, leftMs: 1, remainingBytes: 1, bandwidthMiBps: null, dirtyRateMiBps: null };
  const told = { ...figures, expectedTotalMs: null, expectedDowntimeMs: null, candidates: [] };
  const step = {
    migrationId,
    number: 1,
    means: 'post_copy',
    value: null,
    reason: 'for a test',
    restart: false,
  } as const;
  const { host } = hosts.a;
  host.answer = { ...host.answer, steps: [{ ...step, figures: told }] };
  const { decisions } = await completes(migrationId);
  host.answer = { ...host.answer, steps: [] };
  expect(decisions).toMatchObject([{ means: 'post_copy', failure: null }]);
  expect(hosts.a.log).toContain('the guest runs at the destination, its pages follow');
  await hosts.expectUp(hosts.b, vm.vmId, lastBeat(hosts.b, vm.vmId));
  expect(hosts.a.vmmPids(vm.vmId)).toEqual([]);
  await hosts.powerOff(hosts.b, vm, 2);
});
