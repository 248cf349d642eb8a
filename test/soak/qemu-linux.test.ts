/**
 * Debian's Linux on QEMU, for riscv64 and x86_64, is moved between two agents again and again while stress-ng verifies its
 * memory: the console goes on, the guest's time neither stands nor runs backwards, and nothing is found wrong.
 * DROVER_SOAK_QEMU_MIGRATIONS says how often (10). x86_64 wants `drover guest fetch --architecture x86_64` before.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { AgentProcess } from '../agent/agent-process.js';
import { eventually, type StartJob, TwoHosts } from '../agent/two-hosts.js';
import { isInstalled } from '../programs.js';
import { setting } from './settings.js';

const COUNT = setting('DROVER_SOAK_QEMU_MIGRATIONS', 10);
const images = join(import.meta.dirname, '../../.drover/images');
/** Emulated, and beside other tests. */
const BOOT_MS = 300_000;
const MOVE_MS = 120_000;

const GUESTS = [
  { architecture: 'riscv64', image: 'linux', append: '' },
  { architecture: 'x86_64', image: 'linux-x86_64', append: 'console=ttyS0 ' },
] as const;

/** Says each second how long it has been up, while its memory is written and verified. */
const BACKGROUND =
  'stress-ng --vm 2 --vm-bytes 48M --verify --timeout 0 & while sleep 1; do read -r up rest < /proc/uptime; echo tick=$up; done';

const linux = ({ architecture, image, append }: (typeof GUESTS)[number]): StartJob => ({
  kind: 'start',
  vmId: randomUUID(),
  epoch: 1,
  spec: {
    name: 'linux',
    vcpus: 2,
    memoryMiB: 256,
    image,
    append: `${append}quiet background="${BACKGROUND}"`,
    nics: [],
    disks: [],
    hypervisor: 'qemu',
    architecture,
  },
});

/** Seconds that the guest has been up, as it said last; fails if it saw something wrong. */
function lastTick(agent: AgentProcess, vmId: string): number {
  const vm = agent.host.vm(vmId);
  expect(vm?.status, vm?.message).toBe('up');
  expect(vm!.consoleTail).not.toMatch(/fail:|soft lockup|stall|BUG|Oops|Kernel panic/);
  return Number([...vm!.consoleTail.matchAll(/tick=([\d.]+)/g)].at(-1)?.[1] ?? 0);
}

describe.each(GUESTS)('Linux on QEMU for $architecture', (guest) => {
  const isThere =
    isInstalled(`qemu-system-${guest.architecture}`, 'moving Linux on QEMU') &&
    existsSync(join(images, guest.image, 'kernel'));

  test.runIf(isThere)(`is moved ${COUNT} times`, { timeout: BOOT_MS + COUNT * MOVE_MS }, async () => {
    const hosts = await TwoHosts.start({ DROVER_IMAGES_DIR: images, DROVER_MEMORY_MIB: '1024' });
    onTestFinished(() => hosts.stop());
    const vm = linux(guest);
    const { vmId } = vm;
    await hosts.controller.order(hosts.a.host, vm);
    await eventually(() => expect(lastTick(hosts.a, vmId)).toBeGreaterThan(0), BOOT_MS);

    const moves: string[] = [];
    for (let epoch = 1; epoch <= COUNT; epoch++) {
      const [from, to] = epoch % 2 === 1 ? [hosts.a, hosts.b] : [hosts.b, hosts.a];
      const before = lastTick(from, vmId);
      const migrationId = randomUUID();
      await hosts.controller.order(from.host, from.migrateTo(to, { ...vm, epoch }, migrationId));
      const report = await eventually(() => {
        const told = from.host.last.migrations.find((each) => each.migrationId === migrationId);
        expect(told, JSON.stringify(told?.error)).toMatchObject({ status: 'completed' });
        return told!;
      }, MOVE_MS);
      await eventually(() => expect(lastTick(to, vmId)).toBeGreaterThan(before), MOVE_MS);
      expect(from.vmmPids(vmId)).toEqual([]);
      moves.push(`${Math.round(report.totalMs!)} ms, paused ${Math.round(report.downtimeMs!)} ms`);
      from.host.answer = { ...from.host.answer, forgetMigrations: [migrationId] };
    }
    console.log(`${guest.architecture}: ${moves.join('; ')}`);

    const last = COUNT % 2 === 1 ? hosts.b : hosts.a;
    const log = readFileSync(join(last.dir, 'vms', vmId, 'console.log'), 'utf8');
    const ticks = [...log.matchAll(/tick=([\d.]+)/g)].map(([, seconds]) => Number(seconds));
    expect(ticks).toEqual(ticks.toSorted((a, b) => a - b));
    await hosts.powerOff(last, vm, COUNT + 1);
  });
});
