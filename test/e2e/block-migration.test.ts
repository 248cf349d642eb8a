/** A VM whose disk is a file of its host alone: mirrored to the destination over NBD while its guest writes, then moved. */
import { createHash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { QmpClient } from '#qmp';
import { VmmProcess } from '../vmm/process.js';

const DISK = readFileSync(join(import.meta.dirname, '../../guests/disk.elf'));
const MIB = 2 ** 20;
const EVENTUALLY = { timeout: 90_000, interval: 20 };

interface Job {
  readonly device: string;
  readonly ready: boolean;
  readonly offset: number;
}

function image(): string {
  const folder = mkdtempSync(join(tmpdir(), 'drover-block-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'disk.img');
  closeSync(openSync(path, 'w'));
  truncateSync(path, 64 * MIB);
  return path;
}

const drive = (path: string) => [
  '-drive',
  `file=${path},format=raw,if=none,id=d0,discard=unmap`,
  '-device',
  'virtio-blk-device,drive=d0',
];
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** A guest that writes its disk, and a process with a disk of its own that waits for it and lets it be written. */
async function pair() {
  const [path, copy] = [image(), image()];
  const source = new VmmProcess(DISK, ['-m', '32M', '-append', 'region=4 rate=2000', ...drive(path)]);
  const destination = new VmmProcess(undefined, ['-m', '32M', '-incoming', 'tcp:127.0.0.1:0', ...drive(copy)]);
  const [here, there] = [await source.connect(), await destination.connect()];
  await there.execute('nbd-server-start', { addr: { type: 'inet', data: { host: '127.0.0.1', port: '0' } } });
  const name = 'nobody guesses this';
  const writable = { writable: true, 'x-drover-unlisted': true };
  await there.execute('block-export-add', { type: 'nbd', id: 'e0', 'node-name': 'd0', name, ...writable });
  const server = await there.execute<{ type: string; host: string; port: string }>('x-drover-query-nbd-server');
  await source.waitForPrinted('disk seq=1 ');
  await here.execute('blockdev-add', { driver: 'nbd', 'node-name': 'target', server, export: name });
  const mirror = (options: object = {}) =>
    here.execute('blockdev-mirror', {
      ...{ 'job-id': 'm0', device: 'd0', target: 'target', sync: 'full', ...options },
    });
  const jobs = () => here.execute<Job[]>('query-block-jobs');
  const isReady = () => vi.waitFor(async () => expect((await jobs())[0]).toMatchObject({ ready: true }), EVENTUALLY);
  const migrate = async () => {
    const { 'socket-address': bound } = await there.execute<{ 'socket-address': { port: string }[] }>('query-migrate');
    await here.execute('migrate', { uri: `tcp:127.0.0.1:${bound[0]!.port}` });
    return await outcome(here);
  };
  return { path, copy, source, destination, here, there, mirror, jobs, isReady, migrate };
}

const outcome = (qmp: QmpClient) =>
  vi.waitFor(async () => {
    const migration = await qmp.execute<{ status: string; 'error-desc'?: string }>('query-migrate');
    expect(['completed', 'failed']).toContain(migration.status);
    return migration;
  }, EVENTUALLY);

const beats = (vmm: VmmProcess) => vmm.printed().split('disk seq=').length;
/** The guest checks each block before it writes it anew, and ends at the first that is not as it was. */
async function expectBeating(vmm: VmmProcess): Promise<void> {
  const before = beats(vmm);
  await vi.waitFor(() => expect(beats(vmm), vmm.stderr).toBeGreaterThan(before + 1), EVENTUALLY);
  expect(vmm.printed()).not.toContain('ERROR');
}

test.each(['background', 'write-blocking'])('disk and memory reach the same instant (%s)', async (mode) => {
  const { path, copy, destination, here, there, mirror, isReady, migrate } = await pair();
  const heard: unknown[] = [];
  here.onEvent(({ event }) => heard.push(event));
  await mirror({ 'copy-mode': mode });
  await isReady();
  await there.execute('stop'); // it shall arrive, and not run yet
  expect(await migrate()).toMatchObject({ status: 'completed' });
  expect(sha256(copy)).toBe(sha256(path));
  expect(heard.filter((event) => String(event).startsWith('BLOCK_JOB'))).toEqual([
    'BLOCK_JOB_READY',
    'BLOCK_JOB_COMPLETED',
  ]);
  expect(await there.execute('query-block-exports')).toEqual([]);
  await there.execute('cont');
  await expectBeating(destination);
});

test('a migration fails at the switchover while the mirror is not ready, and the guest goes on', async () => {
  const { source, destination, here, mirror, migrate } = await pair();
  await mirror({ speed: 1 });
  expect(await migrate()).toMatchObject({ status: 'failed', 'error-desc': expect.stringContaining('wait until') });
  expect(await destination.ended).toBe(1);
  await vi.waitFor(async () => expect(await here.execute('query-block-jobs')).toEqual([]), EVENTUALLY);
  await expectBeating(source);
});

test('a destination that dies takes the mirror along, and the guest goes on', async () => {
  const { source, destination, here, mirror, isReady } = await pair();
  await mirror({ 'copy-mode': 'write-blocking' });
  await isReady();
  const completed = here.nextEvent('BLOCK_JOB_COMPLETED', { timeoutMs: 90_000 });
  destination.kill('SIGKILL');
  expect((await completed).data).toMatchObject({ device: 'm0', error: expect.any(String) });
  await expectBeating(source);
});

test('a running guest’s disk is not written by others', async () => {
  const { here, source } = await pair();
  await here.execute('nbd-server-start', { addr: { type: 'unix', data: { path: join(source.folder, 'nbd') } } });
  const add = { type: 'nbd', id: 'e0', 'node-name': 'd0' };
  await expect(here.execute('block-export-add', { ...add, writable: true })).rejects.toThrow('the guest may write');
  await here.execute('block-export-add', add);
  expect(await here.execute('query-block-exports')).toMatchObject([{ id: 'e0', 'node-name': 'd0' }]);
  await here.execute('block-export-del', { id: 'e0' });
  await here.execute('nbd-server-stop');
});
