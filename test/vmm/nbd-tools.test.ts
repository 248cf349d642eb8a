/** NBD between this VMM and programs that others have written: libnbd's nbdinfo and nbdcopy, QEMU's qemu-nbd and qemu-img. */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { NbdClient } from '#nbd';
import { fileExport } from '../../apps/vmm/block/file-export.js';
import { NbdServer } from '../../apps/vmm/block/nbd-server.js';
import { socketStream } from '../../apps/vmm/block/nbd-socket.js';
import { isInstalled } from '../programs.js';
import { imageFile, openDisk } from './blk-driver.js';

const run = promisify(execFile);
const MIB = 2 ** 20;
const SIZE = 8 * MIB;
const hasLibnbd = isInstalled('nbdinfo', 'NBD against libnbd');
const hasQemu = isInstalled('qemu-nbd', 'NBD against qemu-nbd');

/** A sparse file: random data in its second MiB and at its very end, holes elsewhere. */
function sparseFile(): string {
  const path = imageFile(new Uint8Array(0));
  truncateSync(path, SIZE);
  const fd = openSync(path, 'r+');
  writeSync(fd, randomBytes(MIB), 0, MIB, MIB);
  writeSync(fd, randomBytes(4096), 0, 4096, SIZE - 4096);
  closeSync(fd);
  return path;
}

function emptyFile(sizeBytes = SIZE): string {
  const path = imageFile(new Uint8Array(0));
  truncateSync(path, sizeBytes);
  return path;
}

/** Serves a file as `disk`, and gives its URI. */
async function serve(path: string, isWritable = false): Promise<string> {
  const log = vi.fn<(line: string) => void>();
  const server = new NbdServer(log);
  await server.start({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.stop());
  const { file } = await openDisk(path);
  const disk = fileExport(file, { name: 'disk', description: 'a disk', isListed: true, isWritable });
  server.add({ id: 'e0', drive: 'd0', disk });
  return `nbd://127.0.0.1:${(server.address as { port: number }).port}/disk`;
}

const same = (one: string, other: string) => expect(readFileSync(one).equals(readFileSync(other))).toBe(true);

describe.runIf(hasLibnbd)('libnbd', () => {
  test('nbdinfo lists the export and its holes', async () => {
    const uri = await serve(sparseFile());
    const { stdout } = await run('nbdinfo', ['--json', '--list', uri.replace('disk', '')]);
    const { exports } = JSON.parse(stdout) as { exports: Record<string, unknown>[] };
    expect(exports).toMatchObject([
      { 'export-name': 'disk', description: 'a disk', 'export-size': SIZE, is_read_only: true, can_flush: true },
    ]);
    expect(exports[0]!.contexts).toEqual(['base:allocation']);
    const map = JSON.parse((await run('nbdinfo', ['--map', '--json', uri])).stdout) as {
      length: number;
      type: number;
    }[];
    expect(map.map(({ length, type }) => [length, type])).toEqual([
      [MIB, 3],
      [MIB, 0],
      [SIZE - 2 * MIB - 4096, 3],
      [4096, 0],
    ]);
  });

  test('nbdcopy takes a disk away, and brings one, with its holes', async () => {
    const [source, copy, target] = [sparseFile(), emptyFile(), emptyFile()];
    await run('nbdcopy', [await serve(source), copy]);
    same(source, copy);
    await run('nbdcopy', [copy, await serve(target, true)]);
    same(source, target);
    expect(statSync(target).blocks * 512).toBeLessThan(2 * MIB);
  });
});

describe.runIf(hasQemu)('QEMU', () => {
  test('qemu-img compares and writes an export', async () => {
    const [source, target] = [sparseFile(), emptyFile()];
    await run('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', source, await serve(target, true)]);
    same(source, target);
    const compared = await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', source, await serve(source)]);
    expect(compared.stdout).toContain('Images are identical');
  });

  test('qemu-nbd serves the client here', async () => {
    const [path, other] = [sparseFile(), emptyFile()];
    const socket = `${path}.socket`;
    const child = spawn('qemu-nbd', ['-f', 'raw', '-x', 'disk', '-k', socket, '-t', '--discard=unmap', path]);
    onTestFinished(() => void child.kill('SIGKILL'));
    const client = await vi.waitFor(() => NbdClient.open(socketStream(connect({ path: socket })), 'disk'), {
      timeout: 90_000,
    });
    expect(client.disk).toMatchObject({ sizeBytes: SIZE, isReadOnly: false, canTrim: true, structuredReplies: true });
    const before = readFileSync(path);
    const read = new Uint8Array(SIZE);
    await client.read(0, read);
    expect(before.equals(read)).toBe(true);
    const extents = await client.extents(0, SIZE);
    expect(extents[0]).toEqual({ sizeBytes: MIB, isHole: true, isZero: true });
    await client.write(3 * MIB, randomBytes(5000));
    await client.writeZeroes(MIB, MIB, true);
    await client.read(0, read);
    await client.flush();
    await client.disconnect();
    expect(readFileSync(path).equals(read)).toBe(true);
    expect(Buffer.from(read.subarray(MIB, 2 * MIB)).equals(new Uint8Array(MIB))).toBe(true);
    await expect(NbdClient.open(socketStream(connect({ path: `${other}.socket` })), 'disk')).rejects.toThrow('ENOENT');
  });
});
