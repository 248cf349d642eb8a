/** The same guest gives memory up and takes it back on Drover's VMM and on QEMU, asked by the same QMP commands. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { QmpClient } from '#qmp';
import { isInstalled } from '../programs.js';
import { VmmProcess } from '../vmm/process.js';

const MIB = 2 ** 20;
const QEMU = 'qemu-system-riscv64';
const hasQemu = isInstalled(QEMU, 'the balloon on QEMU');
const GUEST = join(import.meta.dirname, '../../guests/balloon.elf');
const PATIENCE = { timeout: 90_000, interval: 50 };
const ARGS = ['-m', '256M', '-append', 'region=128 report=32'];

interface Vm {
  readonly qmp: QmpClient;
  readonly pid: number;
  printed(): string;
}

async function startDrover(device: readonly string[]): Promise<Vm> {
  const vmm = new VmmProcess(readFileSync(GUEST), [...ARGS, ...device]);
  return { qmp: await vmm.connect(), pid: vmm.pid, printed: () => vmm.printed() };
}

async function startQemu(device: readonly string[]): Promise<Vm> {
  const folder = mkdtempSync(join(tmpdir(), 'drover-qemu-'));
  const [path, console] = [join(folder, 'qmp'), join(folder, 'console')];
  const board = ['-M', 'virt', '-global', 'virtio-mmio.force-legacy=false', '-display', 'none', '-kernel', GUEST];
  const ports = ['-serial', `file:${console}`, '-qmp', `unix:${path},server=on,wait=off`];
  const child = spawn(QEMU, [...board, ...ARGS, ...ports, ...device], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  });
  const qmp = await vi.waitFor(() => QmpClient.connect({ path }), PATIENCE);
  return { qmp, pid: child.pid!, printed: () => readFileSync(console, 'latin1') };
}

const BOTH = [
  { name: 'Drover', start: startDrover, slot: '', skip: false },
  { name: 'QEMU', start: startQemu, slot: ',bus=virtio-mmio-bus.0', skip: !hasQemu },
];

const residentMiB = (pid: number) =>
  Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

for (const { name, start, slot, skip } of BOTH) {
  test(`${name}: memory goes back to the host and comes again`, { skip }, async () => {
    const device = `virtio-balloon-device,id=balloon0,free-page-reporting=on${slot}`;
    const { qmp, pid, printed } = await start(['-device', device]);
    const path = '/machine/peripheral/balloon0';
    const actual = async () => ((await qmp.execute('query-balloon')) as { actual: number }).actual / MIB;
    const heard: unknown[] = [];
    qmp.onEvent(({ event, data }) => event === 'BALLOON_CHANGE' && heard.push(data));
    await vi.waitFor(() => expect(printed()).toContain('balloon reported_mib=32'), PATIENCE);
    expect(await actual()).toBe(256);

    const full = residentMiB(pid);
    await qmp.execute('balloon', { value: 160 * MIB });
    await vi.waitFor(() => expect(printed()).toContain('balloon pages=24576'), PATIENCE);
    expect(await actual()).toBe(160);
    expect(full - residentMiB(pid)).toBeGreaterThan(80); // of 96
    await vi.waitFor(() => expect(heard.at(-1)).toEqual({ actual: 160 * MIB }), PATIENCE);

    await qmp.execute('qom-set', { path, property: 'guest-stats-polling-interval', value: 1 });
    const stats = () =>
      qmp.execute<{ stats: object; 'last-update': number }>('qom-get', { path, property: 'guest-stats' });
    await vi.waitFor(async () => {
      const told = await stats();
      expect(told.stats).toMatchObject({ 'stat-free-memory': 32 * MIB, 'stat-total-memory': 256 * MIB });
      expect(Math.abs(told['last-update'] - Date.now() / 1000)).toBeLessThan(60);
    }, PATIENCE);

    await qmp.execute('balloon', { value: 1024 * MIB }); // more than there is
    await vi.waitFor(() => expect(printed()).toContain('balloon pages=0'), PATIENCE);
    expect(await actual()).toBe(256);
    expect(printed()).not.toContain('ERROR');
    await expect(qmp.execute('qom-get', { path: `${path}x`, property: 'guest-stats' })).rejects.toMatchObject({
      errorClass: 'DeviceNotFound',
    });
    await expect(qmp.execute('qom-get', { path, property: 'size' })).rejects.toMatchObject({
      errorClass: 'GenericError',
    });
    expect(await qmp.execute('qom-list', { path: '/machine/peripheral' })).toEqual(
      expect.arrayContaining([{ name: 'balloon0', type: expect.stringMatching(/^child</) as string }]),
    );
    await expect(qmp.execute('balloon', { value: 0 })).rejects.toMatchObject({ errorClass: 'GenericError' });
  });

  test(`${name}: without a balloon there is nothing to ask`, { skip }, async () => {
    const { qmp } = await start(['-S']);
    for (const [command, given] of [['query-balloon'], ['balloon', { value: MIB }]] as const) {
      await expect(qmp.execute(command, given)).rejects.toMatchObject({ errorClass: 'DeviceNotActive' });
    }
  });
}
