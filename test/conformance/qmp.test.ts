/** Drover's QMP client talks to Debian's QEMU as it talks to Drover's VMM, and the two servers answer alike. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { QmpClient, QmpCommandError } from '#qmp';
import { isInstalled } from '../programs.js';
import { sleeper } from '../vmm/guests.js';
import { VmmProcess } from '../vmm/process.js';

const QEMU = 'qemu-system-riscv64';
const hasQemu = isInstalled(QEMU, "QMP with QEMU's server");

async function startQemu(): Promise<QmpClient> {
  const folder = mkdtempSync(join(tmpdir(), 'drover-qemu-'));
  const path = join(folder, 'qmp');
  const args = ['-M', 'virt', '-m', '16M', '-bios', 'none', '-nographic', '-serial', 'null', '-monitor', 'none', '-S'];
  const child = spawn(QEMU, [...args, '-qmp', `unix:${path},server=on,wait=off`], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  });
  return await vi.waitFor(() => QmpClient.connect({ path }), { timeout: 90_000, interval: 50 });
}

const startDrover = () => new VmmProcess(sleeper(), ['-m', '16M', '-bios', 'none', '-S']).connect();

test.skipIf(!hasQemu).each([
  ['QEMU', startQemu],
  ['Drover', startDrover],
])('%s: states, events, errors and the end of a VM', async (_who, start) => {
  const qmp = await start();
  const version = await qmp.execute<{ qemu: object; package: string }>('query-version');
  expect(Object.keys(version.qemu).toSorted()).toEqual(['major', 'micro', 'minor']);
  expect(await qmp.execute('query-status')).toMatchObject({ status: 'prelaunch', running: false });

  const resume = qmp.nextEvent('RESUME');
  expect(await qmp.execute('cont')).toEqual({});
  expect((await resume).timestamp).toEqual({ seconds: expect.any(Number), microseconds: expect.any(Number) });
  expect(await qmp.execute('query-status')).toMatchObject({ status: 'running', running: true });
  const stop = qmp.nextEvent('STOP');
  expect(await qmp.execute('stop')).toEqual({});
  await stop;
  expect(await qmp.execute('query-status')).toMatchObject({ status: 'paused', running: false });

  const cpus = await qmp.execute<object[]>('query-cpus-fast');
  expect(cpus).toMatchObject([{ 'cpu-index': 0, 'thread-id': expect.any(Number), target: 'riscv64' }]);
  expect(await qmp.execute('query-uuid')).toEqual({ UUID: '00000000-0000-0000-0000-000000000000' });
  expect(await qmp.execute('query-name')).toEqual({});
  const commands = await qmp.execute<{ name: string }[]>('query-commands');
  expect(commands.map(({ name }) => name)).toEqual(expect.arrayContaining(['query-status', 'stop', 'cont', 'quit']));

  const unknown = await qmp.execute('no-such-command').catch((error: unknown) => error);
  expect(unknown).toBeInstanceOf(QmpCommandError);
  expect(unknown).toMatchObject({ errorClass: 'CommandNotFound' });
  await expect(qmp.execute('query-status', { loud: true })).rejects.toMatchObject({ errorClass: 'GenericError' });
  await expect(qmp.execute('qmp_capabilities')).rejects.toMatchObject({ errorClass: 'CommandNotFound' });
  expect(await Promise.all([1, 2, 3].map(() => qmp.execute('query-status')))).toHaveLength(3);

  const shutdown = qmp.nextEvent('SHUTDOWN');
  expect(await qmp.execute('quit')).toEqual({});
  expect((await shutdown).data).toEqual({ guest: false, reason: 'host-qmp-quit' });
  expect(await qmp.closed).toBeInstanceOf(Error);
});
