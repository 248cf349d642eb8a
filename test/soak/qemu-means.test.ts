/** Guests of QEMU that write faster than they are sent: each means alone brings the migration to its end. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Means, MigrationReport } from '#contracts';
import { eventually, pager, type StartJob, TwoHosts } from '../agent/two-hosts.js';
import { isInstalled } from '../programs.js';

/** MiB/s, of which the guest writes many times more. */
const NARROW = { bandwidthMiBps: 24, timeoutSeconds: 240 };
const PATIENCE_MS = 120_000;

/** `restart`: QEMU has it from the beginning of a migration or not at all. `with`: what is needed beside it to end. */
const CASES: { means: Means; value: number | null; restart: boolean; with?: Means }[] = [
  { means: 'throttle', value: 99, restart: false },
  { means: 'post_copy', value: null, restart: false },
  { means: 'suspend', value: null, restart: false },
  { means: 'downtime_limit', value: 20_000, restart: false },
  { means: 'cpu_limit', value: 99, restart: false, with: 'suspend' },
  { means: 'xbzrle', value: 64, restart: true, with: 'suspend' },
  { means: 'multifd', value: 2, restart: true, with: 'suspend' },
  { means: 'compression', value: 2, restart: true, with: 'suspend' },
];

const figures = {
  ...{ elapsedMs: 1, leftMs: 1, remainingBytes: 1, bandwidthMiBps: null, dirtyRateMiBps: null },
  ...{ expectedTotalMs: null, expectedDowntimeMs: null, candidates: [] },
};

describe.runIf(isInstalled('qemu-system-riscv64', 'means on QEMU'))('on QEMU', () => {
  let hosts: TwoHosts;
  // Post-copy takes userfaultfd, which processes without rights are often not allowed.
  beforeAll(async () => void (hosts = await TwoHosts.start({ DROVER_ISOLATION: '0' })));
  afterAll(() => hosts?.stop());

  const reportOf = (migrationId: string): MigrationReport => {
    const report = hosts.a.host.last.migrations.find((each) => each.migrationId === migrationId);
    if (!report) throw new Error(`no report of migration ${migrationId} yet`);
    return report;
  };

  test.each(CASES)('$means', { timeout: 2 * PATIENCE_MS }, async ({ means, value, restart, with: after }) => {
    const job = pager('region=24 rate=max', 64);
    const vm: StartJob = { ...job, spec: { ...job.spec, hypervisor: 'qemu', architecture: 'riscv64' } };
    await hosts.startPager(hosts.a, vm);
    const migrationId = randomUUID();
    const allowed = [...new Set([means, after ?? means])].map((each) => ({ means: each }));
    const order = hosts.a.migrateTo(hosts.b, vm, migrationId, { ...NARROW, convergence: { means: allowed as never } });
    await hosts.controller.order(hosts.a.host, { ...order, downtimeLimitMs: 30 });
    await eventually(() => expect(reportOf(migrationId).status).toBe('precopy'), PATIENCE_MS);
    const { host } = hosts.a;
    const step = (number: number, of: Means, how: number | null, anew: boolean) => ({
      ...{ migrationId, number, means: of, value: how, reason: 'for a test', restart: anew },
      figures,
    });
    host.answer = { ...host.answer, steps: [step(1, means, value, restart)] };
    if (after) {
      await eventually(() =>
        expect(reportOf(migrationId)).toMatchObject({ status: 'precopy', decisions: [{ means }] }),
      );
      await eventually(() => expect(reportOf(migrationId).progress?.iteration).toBeGreaterThan(1), PATIENCE_MS);
      host.answer = { ...host.answer, steps: [step(2, after, null, false)] };
    }
    const report = await eventually(() => {
      const told = reportOf(migrationId);
      expect(told, JSON.stringify(told.error)).toMatchObject({ status: 'completed', error: null });
      return told;
    }, PATIENCE_MS);
    host.answer = { ...host.answer, steps: [], forgetMigrations: [migrationId] };
    console.log(`${means}: ${Math.round(report.totalMs!)} ms, paused ${Math.round(report.downtimeMs!)} ms`);
    expect(report.decisions.map(({ failure }) => failure)).toEqual(report.decisions.map(() => null));
    // Not what the guest says of its pages: QEMU's translator loses writes of such guests, whoever moves them.
    await eventually(() => expect(['up', 'down', 'failed']).toContain(hosts.b.host.vm(vm.vmId)?.status));
    await hosts.controller.order(hosts.b.host, { kind: 'stop', vmId: vm.vmId, epoch: 2, mode: 'power_off' });
    await eventually(() => expect(hosts.b.vmmPids(vm.vmId)).toEqual([]));
  });
});
