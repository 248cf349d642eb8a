/**
 * Debian's Linux on QEMU writes faster than it is sent, and is moved back and forth between two agents: each means alone
 * brings its migration to the end, and it goes on afterwards.
 */
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Means } from '#contracts';
import type { AgentProcess } from '../agent/agent-process.js';
import { step } from '../agent/step.js';
import { eventually, type StartJob, TwoHosts } from '../agent/two-hosts.js';
import { isInstalled } from '../programs.js';
import { hasLinux, LINUX } from '../vmm/linux.js';

/** MiB/s, of which the guest writes many times more. */
const NARROW = { bandwidthMiBps: 8, timeoutSeconds: 240 };
const PATIENCE_MS = 240_000;

/** `restart`: QEMU has it from the beginning of a migration or not at all. `with`: what is needed beside it to end. */
const CASES: { means: Means; value: number | null; restart: boolean; with?: Means }[] = [
  { means: 'throttle', value: 99, restart: false },
  { means: 'post_copy', value: null, restart: false },
  { means: 'suspend', value: null, restart: false },
  { means: 'downtime_limit', value: 20_000, restart: false },
  { means: 'cpu_limit', value: 99, restart: false, with: 'suspend' },
  { means: 'offline_vcpus', value: 1, restart: false, with: 'suspend' },
  { means: 'xbzrle', value: 64, restart: true, with: 'suspend' },
  { means: 'multifd', value: 2, restart: true, with: 'suspend' },
  { means: 'compression', value: 2, restart: true, with: 'suspend' },
];

/** Says each second how long it has been up and which of its vCPUs are there, while its memory is written and verified. */
const BACKGROUND =
  'stress-ng --vm 2 --vm-bytes 24M --verify --timeout 0 & while sleep 1; do read -r up rest < /proc/uptime; echo tick=$up online=$(cat /sys/devices/system/cpu/online); done';

const vm: StartJob = {
  kind: 'start',
  vmId: randomUUID(),
  epoch: 1,
  spec: {
    ...{ name: 'linux', vcpus: 2, memoryMiB: 192, image: 'linux', nics: [], disks: [] },
    ...{ append: `quiet background="${BACKGROUND}"`, hypervisor: 'qemu', architecture: 'riscv64' },
  },
};
const { vmId } = vm;

/** Seconds that the guest has been up, as it said last. */
function lastTick(agent: AgentProcess): number {
  const told = agent.host.vm(vmId);
  expect(told?.status, told?.message).toBe('up');
  return Number([...told!.consoleTail.matchAll(/tick=([\d.]+)/g)].at(-1)?.[1] ?? 0);
}

const canRun = isInstalled('qemu-system-riscv64', 'means on QEMU') && hasLinux('means on QEMU');

describe.runIf(canRun)('Linux on QEMU is moved by', () => {
  let hosts: TwoHosts;
  let epoch = 1;

  beforeAll(async () => {
    // Post-copy takes userfaultfd, which processes without rights are often not allowed.
    hosts = await TwoHosts.start({ DROVER_ISOLATION: '0', DROVER_IMAGES_DIR: dirname(dirname(LINUX.kernel)) });
  });
  afterAll(() => hosts?.stop());

  test('nobody yet: it boots', { timeout: 4 * PATIENCE_MS }, async () => {
    await hosts.controller.order(hosts.a.host, vm);
    await eventually(() => expect(lastTick(hosts.a)).toBeGreaterThan(0), 2 * PATIENCE_MS);
    await eventually(() => expect(hosts.a.host.vm(vmId)?.guest).not.toBeNull(), PATIENCE_MS); // its agent is there
  });

  test.each(CASES)('$means', { timeout: 4 * PATIENCE_MS }, async ({ means, value, restart, with: after }) => {
    const [from, to] = epoch % 2 === 1 ? [hosts.a, hosts.b] : [hosts.b, hosts.a];
    const { host } = from;
    const migrationId = randomUUID();
    const reported = () => {
      const report = host.last.migrations.find((each) => each.migrationId === migrationId);
      if (!report) throw new Error(`no report of migration ${migrationId} yet`);
      return report;
    };
    const allowed = [...new Set([means, after ?? means])].map((each) => ({ means: each }));
    const limits = { ...NARROW, convergence: { means: allowed as never } };
    const order = from.migrateTo(to, { ...vm, epoch }, migrationId, limits);
    await hosts.controller.order(host, { ...order, downtimeLimitMs: 1 });
    await eventually(() => expect(reported().status).toBe('precopy'), PATIENCE_MS);
    host.answer = { ...host.answer, steps: [step(migrationId, 1, means, value, restart)] };
    if (after) {
      await eventually(() => expect(reported()).toMatchObject({ status: 'precopy', decisions: [{ means }] }));
      await eventually(() => expect(reported().progress?.iteration).toBeGreaterThan(1), PATIENCE_MS);
      host.answer = { ...host.answer, steps: [step(migrationId, 2, after)] };
    }
    const before = lastTickOf(from);
    const report = await eventually(() => {
      expect(reported(), JSON.stringify(reported().error)).toMatchObject({ status: 'completed', error: null });
      return reported();
    }, PATIENCE_MS);
    host.answer = { ...host.answer, steps: [], forgetMigrations: [migrationId] };
    // Told and no more: QEMU's translator loses writes now and then, whoever moves its guest.
    const complaints = to.host.vm(vmId)?.consoleTail.match(/^.*(fail:|stall|BUG|Oops|panic).*$/gm) ?? [];
    console.log(
      `${means}: ${Math.round(report.totalMs!)} ms, paused ${Math.round(report.downtimeMs!)} ms`,
      ...complaints,
    );
    expect(report.decisions.map(({ failure }) => failure)).toEqual(report.decisions.map(() => null));
    if (means === 'xbzrle') expect(report.progress!.xbzrle!.pages).toBeGreaterThan(0);
    if (means === 'multifd' || means === 'compression') expect(report.progress!.multifdBytes).toBeGreaterThan(0);
    epoch += 1;
    await eventually(() => expect(lastTick(to)).toBeGreaterThan(before), PATIENCE_MS);
    await eventually(() => expect(to.host.vm(vmId)!.consoleTail).toMatch(/online=0-1\s*$/), PATIENCE_MS);
    expect(from.vmmPids(vmId)).toEqual([]);
  });

  /** As of a VM that may be on its way. */
  const lastTickOf = (agent: AgentProcess) =>
    Number([...(agent.host.vm(vmId)?.consoleTail ?? '').matchAll(/tick=([\d.]+)/g)].at(-1)?.[1] ?? 0);
});
