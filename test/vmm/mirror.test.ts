/** A mirror under a guest that writes: on real files, through a real NBD server. */
import { spawn } from 'node:child_process';
import { readFileSync, statSync, truncateSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { NbdClient } from '#nbd';
import { BLOCK_BYTES } from '../../apps/vmm/block/dirty-blocks.js';
import { fileExport } from '../../apps/vmm/block/file-export.js';
import { MirrorJobs } from '../../apps/vmm/block/mirror-jobs.js';
import type { CopyMode, MirrorEnd, MirrorOptions } from '../../apps/vmm/block/mirror.js';
import { NbdServer } from '../../apps/vmm/block/nbd-server.js';
import { socketStream } from '../../apps/vmm/block/nbd-socket.js';
import { connectTo } from '../../apps/vmm/migration-address.js';
import { MONOTONIC } from '../../apps/vmm/monotonic.js';
import { isInstalled } from '../programs.js';
import { imageFile, openDisk } from './blk-driver.js';

const hasQemuNbd = isInstalled('qemu-nbd', 'a mirror to qemu-nbd');
const MIB = 2 ** 20;
const SIZE = 4 * MIB;
const MODES: readonly CopyMode[] = ['background', 'write-blocking'];
const EVENTUALLY = { timeout: 90_000, interval: 5 };

function emptyFile(sizeBytes = SIZE): string {
  const path = imageFile(new Uint8Array(0));
  truncateSync(path, sizeBytes);
  return path;
}

/** A disk with a guest, a copy that another process would have, and a mirror between them that has not begun. */
async function pair(source: string, options: Partial<MirrorOptions> = {}, target = emptyFile()) {
  const disk = await openDisk(source);
  const copy = await openDisk(target);
  const server = new NbdServer(() => undefined);
  await server.start({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.stop());
  server.add({ id: 'e0', drive: 'd0', disk: fileExport(copy.file, { name: 'x', isListed: false, isWritable: true }) });
  const socket = await connectTo(server.address!, AbortSignal.timeout(5000));
  const client = await NbdClient.open(socketStream(socket), 'x');
  const end = vi.fn<(end: MirrorEnd) => void>();
  const ready = vi.fn<() => void>();
  const jobs = new MirrorJobs({ ready, ended: (_, how) => end(how) });
  const start = (more: Partial<MirrorOptions> = {}) => {
    jobs.start({
      ...{ id: 'm0', device: 'd0', disk, target: client, sync: 'full', copyMode: 'background', speed: 0 },
      ...{ clock: MONOTONIC, ...options, ...more },
    });
    return jobs.find('m0')!;
  };
  const ended = async () => {
    await vi.waitFor(() => expect(end).toHaveBeenCalledOnce(), EVENTUALLY);
    return end.mock.lastCall![0];
  };
  const isReady = () => vi.waitFor(() => expect(ready).toHaveBeenCalledOnce(), EVENTUALLY);
  const same = () => expect(readFileSync(source).equals(readFileSync(target))).toBe(true);
  return { disk, copy, server, client, jobs, start, ended, isReady, same, source, target, socket };
}

const filled = (size: number, byte: number) => new Uint8Array(size).fill(byte);

const range = fc
  .tuple(fc.nat({ max: SIZE / 512 - 1 }), fc.integer({ min: 1, max: 400 }))
  .map(([sector, sectors]) => ({ offset: sector * 512, size: Math.min(sectors * 512, SIZE - sector * 512) }));
const write = fc.record({
  kind: fc.constantFrom('write', 'zeroes', 'discard'),
  range,
  byte: fc.integer({ min: 1, max: 255 }),
});

test.each(MODES)(
  '%s: whatever a guest writes meanwhile, the copy is equal when the mirror is complete',
  async (copyMode) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(write, { minLength: 10, maxLength: 60 }),
        fc.nat({ max: 10 }),
        async (writes, pause) => {
          const { disk, start, jobs, isReady, same } = await pair(imageFile(filled(SIZE, 7)));
          start({ copyMode });
          const underWay: Promise<void>[] = [];
          for (const {
            kind,
            range: { offset, size },
            byte,
          } of writes) {
            if (kind === 'write') underWay.push(disk.write([filled(size, byte)], offset));
            else if (kind === 'zeroes') underWay.push(disk.writeZeroes(offset, size, byte % 2 === 0));
            else underWay.push(disk.discard(offset, size));
            if (underWay.length % (pause + 1) === pause) await underWay.at(-1);
          }
          await Promise.all([isReady(), ...underWay]);
          await disk.write([filled(512, 1)], 512);
          await jobs.completeAll(); // as for a switchover: the guest has stopped
          same();
          expect(disk.tap).toBeUndefined();
        },
      ),
      { numRuns: 5 },
    );
  },
);

test('write-blocking: what a guest is told to be written is in the copy', async () => {
  const { disk, copy, start, isReady } = await pair(imageFile(filled(SIZE, 7)), { copyMode: 'write-blocking' });
  start();
  await isReady();
  await disk.write([filled(1024, 9), filled(512, 8)], 3 * 512);
  const there = new Uint8Array(1536);
  await copy.file.read([there], 3 * 512);
  expect(Buffer.from(there).equals(Buffer.concat([filled(1024, 9), filled(512, 8)]))).toBe(true);
});

test('holes and zeroes stay holes, and what the target had is gone', async () => {
  const source = emptyFile();
  const target = imageFile(filled(SIZE, 3));
  const { disk, start, isReady, jobs, same } = await pair(source, {}, target);
  await disk.write([filled(BLOCK_BYTES, 5)], 8 * BLOCK_BYTES);
  await disk.write([filled(BLOCK_BYTES, 0)], 10 * BLOCK_BYTES);
  const job = start();
  await isReady();
  await jobs.completeAll();
  same();
  expect(statSync(target).blocks * 512).toBeLessThan(2 * BLOCK_BYTES);
  expect(job.zeroBytes).toBe(SIZE - BLOCK_BYTES);
});

test('a target that is empty gets no zeroes for the holes', async () => {
  const { disk, start, isReady } = await pair(emptyFile());
  await disk.write([filled(512, 5)], MIB);
  const job = start();
  await isReady();
  expect([job.copiedBytes, job.zeroBytes]).toEqual([BLOCK_BYTES, 0]);
});

test('sync=none copies only what is written from then on', async () => {
  const { disk, start, isReady, jobs, target } = await pair(imageFile(filled(SIZE, 7)), { sync: 'none' });
  const job = start();
  await isReady();
  await disk.write([filled(512, 9)], MIB);
  await jobs.completeAll();
  expect(job.copiedBytes).toBe(BLOCK_BYTES);
  expect(readFileSync(target).subarray(0, BLOCK_BYTES).equals(filled(BLOCK_BYTES, 0))).toBe(true);
  expect(readFileSync(target)[MIB]).toBe(9);
});

test('the speed limit can be lifted while it runs', async () => {
  const { start, isReady, jobs } = await pair(imageFile(filled(SIZE, 7)), { speed: 1 });
  const job = start();
  await vi.waitFor(() => expect(job.copiedBytes).toBeGreaterThan(0), EVENTUALLY);
  await expect(jobs.completeAll()).rejects.toThrow(/mirror m0 has \d+ bytes to copy: wait until it is ready/);
  job.setSpeed(0);
  await isReady();
});

test.skipIf(!hasQemuNbd)('the target may be another NBD server: qemu-nbd', async () => {
  const target = emptyFile();
  const socket = `${target}.socket`;
  const server = spawn('qemu-nbd', ['-f', 'raw', '-x', 'x', '-k', socket, '--discard=unmap', target]);
  onTestFinished(() => void server.kill('SIGKILL'));
  const connection = () => connectTo({ path: socket }, AbortSignal.timeout(5000));
  const client = await vi.waitFor(async () => NbdClient.open(socketStream(await connection()), 'x'), EVENTUALLY);
  const { disk, start, isReady, jobs, source } = await pair(emptyFile(), { target: client });
  await disk.write([filled(3 * BLOCK_BYTES, 5)], MIB);
  start({ copyMode: 'write-blocking' });
  await isReady();
  await disk.write([filled(512, 6)], 512);
  await jobs.completeAll();
  expect(readFileSync(source).equals(readFileSync(target))).toBe(true);
  expect(statSync(target).blocks * 512).toBeLessThanOrEqual(4 * BLOCK_BYTES);
});

describe('what goes wrong', () => {
  test.each(MODES)('%s: a cut connection ends the mirror, and the guest goes on', async (copyMode) => {
    const { disk, start, isReady, ended, socket, jobs } = await pair(imageFile(filled(SIZE, 7)), { copyMode });
    start();
    await isReady();
    socket.destroy();
    await disk.write([filled(512, 9)], 0);
    expect(await ended()).toMatchObject({ kind: 'failed' });
    expect([disk.tap, jobs.list]).toEqual([undefined, []]);
    await disk.write([filled(512, 9)], 512);
  });

  test('a full target ends the mirror', async () => {
    const { copy, disk, start, ended } = await pair(imageFile(filled(SIZE, 7)), { copyMode: 'write-blocking' });
    vi.spyOn(copy.file, 'write').mockRejectedValue(
      Object.assign(new Error('ENOSPC: full'), { code: 'ENOSPC', errno: -28 }),
    );
    start();
    const end = (await ended()) as Extract<MirrorEnd, { kind: 'failed' }>;
    expect([end.kind, end.error.message]).toEqual(['failed', 'the NBD server answered ENOSPC']);
    await disk.write([filled(512, 9)], 512);
  });

  test('a switchover is refused if the copy fails at the last moment', async () => {
    const { copy, disk, start, isReady, jobs } = await pair(imageFile(filled(SIZE, 7)));
    start();
    await isReady();
    vi.spyOn(copy.file, 'write').mockRejectedValue(Object.assign(new Error('EIO: broken'), { code: 'EIO', errno: -5 }));
    await disk.write([filled(512, 9)], 512);
    await expect(jobs.completeAll()).rejects.toThrow('EIO');
  });

  test('cancelled, or complete with a copy of that moment', async () => {
    const { start, ended } = await pair(imageFile(filled(SIZE, 7)), { speed: 1 });
    start().cancel();
    expect(await ended()).toEqual({ kind: 'cancelled' });
    const other = await pair(imageFile(filled(SIZE, 7)));
    const job = other.start();
    await other.isReady();
    job.complete(false);
    expect(await other.ended()).toEqual({ kind: 'completed' });
    other.same();
  });

  test('a target of another size, one that is read-only, and a second mirror are refused', async () => {
    const { start } = await pair(imageFile(filled(SIZE, 7)), {}, emptyFile(2 * SIZE));
    expect(() => start()).toThrow(`the drive has ${SIZE} bytes and the target ${2 * SIZE}`);
    const other = await pair(imageFile(filled(SIZE, 7)), { speed: 1 });
    other.start();
    expect(() => other.start({ id: 'm1' })).toThrow('mirrored already');
    expect(() => other.start()).toThrow("Job ID 'm0' already in use");
  });
});
