/** Disks of VMM processes: who has them, also while the VM moves, and what QMP tells of them. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { spawn, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { QmpClient } from '#qmp';
import { isInstalled } from '../programs.js';
import { imageFile } from '../vmm/blk-driver.js';
import { VmmProcess } from '../vmm/process.js';

const PAGER = readFileSync(join(import.meta.dirname, '../../guests/pager.elf'));
const WRITER = readFileSync(join(import.meta.dirname, '../../guests/disk.elf'));
const MIB = 2 ** 20;
const EVENTUALLY = { timeout: 90_000, interval: 10 };

const image = () => imageFile(new Uint8Array(MIB).fill(7));
const drive = (path: string) => [
  '-drive',
  `file=${path},format=raw,if=none,id=d0`,
  '-device',
  'virtio-blk-device,drive=d0',
];

async function guest(path: string, args: readonly string[] = []): Promise<VmmProcess> {
  const vmm = new VmmProcess(PAGER, ['-m', '32M', '-append', 'region=4 rate=1', ...drive(path), ...args]);
  await vmm.waitForPrinted('pager seq=1 ');
  return vmm;
}

const isRefused = async (vmm: VmmProcess) => {
  expect(await vmm.ended).toBe(1);
  expect(vmm.stderr).toContain('another process uses it');
};

test('QMP tells of disks as QEMU does', async () => {
  const path = image();
  const vmm = new VmmProcess(PAGER, ['-m', '32M', '-S', ...drive(path)]);
  const qmp = await vmm.connect();
  expect(await qmp.execute('query-block')).toMatchObject([
    {
      device: 'd0',
      inserted: { file: path, drv: 'raw', ro: false, image: { 'virtual-size': MIB, 'actual-size': MIB } },
    },
  ]);
  expect(await qmp.execute('query-blockstats')).toMatchObject([
    { device: 'd0', stats: { rd_operations: 0, wr_bytes: 0, flush_operations: 0, failed_wr_operations: 0 } },
  ]);
});

test('a disk that another VMM has is refused, also while that one is paused', async () => {
  const path = image();
  const owner = await guest(path);
  await (await owner.connect()).execute('stop');
  await isRefused(new VmmProcess(PAGER, ['-m', '32M', ...drive(path)]));
  owner.kill('SIGKILL');
  await owner.ended;
  await new VmmProcess(PAGER, ['-m', '32M', '-S', ...drive(path)]).connect();
});

/** A file system of so many KiB, if this process may have one. */
function smallFileSystem(sizeKiB: number): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'drover-full-'));
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKiB}k`, 'drover', folder]).status === 0;
  onTestFinished(() => {
    if (isMounted) spawnSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true });
  });
  return isMounted ? folder : undefined;
}

test('a guest whose host has no space left is held until there is some', async ({ skip }) => {
  const folder = smallFileSystem(512);
  if (folder === undefined) return skip('this user may not mount a file system to fill');
  const path = join(folder, 'disk.img');
  writeFileSync(path, '');
  truncateSync(path, 4 * MIB);
  const vmm = new VmmProcess(WRITER, ['-m', '32M', '-S', '-append', 'region=1 rate=2000', ...drive(path)]);
  const qmp = await vmm.connect();
  const held = () => qmp.nextEvent('BLOCK_IO_ERROR', { timeoutMs: 90_000 });
  const first = held();
  await qmp.execute('cont');
  expect((await first).data).toMatchObject({ device: 'd0', operation: 'write', action: 'stop', nospace: true });
  const status = () => qmp.execute('query-status');
  await vi.waitFor(async () => expect(await status()).toEqual({ status: 'io-error', running: false }), EVENTUALLY);
  const again = held();
  await qmp.execute('cont');
  await again; // there is still no space
  spawnSync('mount', ['-o', 'remount,size=8m', folder]);
  await vi.waitFor(async () => expect(await status()).toMatchObject({ status: 'io-error' }), EVENTUALLY);
  await qmp.execute('cont');
  await vmm.waitForPrinted('disk seq=2 ');
  expect(vmm.printed()).not.toContain('ERROR');
});

describe('a VM that moves', () => {
  const uriOf = async (vmm: VmmProcess) => {
    const qmp = await vmm.connect();
    const port = await vi.waitFor(
      async () =>
        (await qmp.execute<{ 'socket-address': { port: string }[] }>('query-migrate'))['socket-address'][0]!.port,
      EVENTUALLY,
    );
    return `tcp:127.0.0.1:${port}`;
  };
  const destinationOf = (path: string) =>
    new VmmProcess(undefined, ['-m', '32M', '-incoming', 'tcp:127.0.0.1:0', ...drive(path)]);
  const statusWhenOver = async (vmm: VmmProcess) => {
    const qmp = await vmm.connect();
    return await vi.waitFor(async () => {
      const { status } = await qmp.execute<{ status: string }>('query-migrate');
      expect(['completed', 'failed']).toContain(status);
      return status;
    }, EVENTUALLY);
  };

  test('takes its disk along', async () => {
    const path = image();
    const source = await guest(path);
    const destination = destinationOf(path);
    const uri = await uriOf(destination);
    await (await source.connect()).execute('migrate', { uri });
    expect(await statusWhenOver(source)).toBe('completed');
    await destination.waitForPrinted('pager seq=');
    source.kill('SIGKILL');
    await isRefused(new VmmProcess(PAGER, ['-m', '32M', ...drive(path)]));
  });

  test('stays where it is if its disk is in use where it is to go, and has its own again', async () => {
    const [path, usedPath] = [image(), image()];
    const source = await guest(path);
    await new VmmProcess(PAGER, ['-m', '32M', '-S', ...drive(usedPath)]).connect();
    const destination = destinationOf(usedPath);
    await (await source.connect()).execute('migrate', { uri: await uriOf(destination) });
    expect(await statusWhenOver(source)).toBe('failed');
    const qmp = await source.connect();
    expect(await qmp.execute('query-status')).toMatchObject({ status: 'running' });
    expect(await qmp.execute('query-migrate')).toMatchObject({ 'error-desc': expect.stringContaining('uses it') });
    await isRefused(new VmmProcess(PAGER, ['-m', '32M', ...drive(path)]));
  });
});

describe.skipIf(!isInstalled('qemu-system-riscv64', 'locks that QEMU heeds'))('QEMU', () => {
  const alone = '-M virt -bios none -display none -serial none -monitor none -S'.split(' ');
  const using = (path: string) => [...alone, ...drive(path)];

  test('is kept from a disk that a VMM has, and keeps a VMM from its own', async () => {
    const path = image();
    const vmm = new VmmProcess(PAGER, ['-m', '32M', '-S', ...drive(path)]);
    await vmm.connect();
    const refused = spawnSync('qemu-system-riscv64', using(path), { timeout: 90_000 });
    expect(String(refused.stderr)).toContain('Failed to get');
    vmm.kill('SIGKILL');
    await vmm.ended;

    const socket = `${path}.qmp`;
    const qemu = spawn('qemu-system-riscv64', [...using(path), '-qmp', `unix:${socket},server=on,wait=off`]);
    onTestFinished(() => void qemu.kill('SIGKILL'));
    await vi.waitFor(async () => (await QmpClient.connect({ path: socket })).close(), EVENTUALLY);
    await isRefused(new VmmProcess(PAGER, ['-m', '32M', ...drive(path)]));
  });
});
