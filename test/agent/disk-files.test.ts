/** Files of disks, on real folders; and how two hosts find out whether they see the same. */
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Disk, PrepareIncoming } from '#contracts';
import { makeRoom, unseenDisks } from '../../apps/agent/migration/disk-arrival.js';
import { diskState } from '../../apps/agent/migration/disk-departure.js';
import { newMigrationRecord } from '../../apps/agent/migration/migration-record.js';
import { StorageWatch } from '../../apps/agent/host/storage.js';
import { createLog } from '../../apps/agent/log.js';
import { DiskFiles } from '../../apps/agent/vms/disk-files.js';

const MIB = 2 ** 20;
const VM_ID = '00000000-0000-4000-8000-000000000002';
const disk = (change: Partial<Disk> = {}): Disk => ({
  ...{ name: 'data', sizeMiB: 4, storageDomainId: randomUUID(), storageDomain: 'main' },
  ...{ kind: 'local', path: 'disks', sourceImage: null, ...change },
});

function host() {
  const dir = mkdtempSync(join(tmpdir(), 'drover-disks-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  mkdirSync(join(dir, 'images'));
  return { dir, files: new DiskFiles(dir, [join(dir, 'images')]) };
}

test('a disk is made once, sparse and for its owner alone, and removed with its folder', async () => {
  const { files } = host();
  await files.provide(VM_ID, [disk()], true);
  const path = files.pathOf(VM_ID, disk());
  expect(statSync(path)).toMatchObject({ size: 4 * MIB, blocks: 0 });
  expect(statSync(path).mode & 0o077).toBe(0);
  writeFileSync(path, 'content');
  await files.provide(VM_ID, [disk()], true);
  expect(readFileSync(path, 'utf8')).toBe('content');
  await files.remove(VM_ID, [disk()]);
  await files.remove(VM_ID, [disk()]);
  expect(existsSync(dirname(path))).toBe(false);
});

test('what is free is told of the folders that are asked for, also of those that are not there yet', async () => {
  const { dir } = host();
  const watch = new StorageWatch(dir, createLog('silent'));
  expect(watch.known(0)).toEqual([]);
  const paths = ['disks', join(dir, 'not', 'there'), '/proc/self/status/never'];
  watch.watch(paths);
  const known = await vi.waitFor(() => {
    const rooms = watch.known(Date.now());
    expect(rooms).toHaveLength(2);
    return rooms;
  });
  const { blocks, bsize } = statfsSync(dir);
  for (const room of known) {
    expect(room).toMatchObject({ path: expect.any(String), fileSystem: String(statSync(dir).dev) });
    expect(room.freeMiB * MIB).toBeLessThan(blocks * bsize);
    expect(room.freeMiB).toBeGreaterThan(0);
  }
  watch.watch([]);
  expect(watch.known(Date.now())).toEqual([]);
});

test('a disk may begin with an image of the host', async () => {
  const { dir, files } = host();
  writeFileSync(join(dir, 'images', 'debian.img'), 'boot here');
  const system = disk({ sourceImage: 'debian' });
  await files.provide(VM_ID, [system], true);
  const content = readFileSync(files.pathOf(VM_ID, system));
  expect([content.length, content.subarray(0, 9).toString()]).toEqual([4 * MIB, 'boot here']);
});

test.each([
  ['is missing', disk(), false, 'disk_missing'],
  ['begins with an image that there is not', disk({ sourceImage: 'none' }), true, 'image_missing'],
  ['begins with an image that is larger', disk({ sourceImage: 'large', sizeMiB: 1 }), true, 'disk_too_small'],
  [
    'is on shared storage that is not mounted',
    disk({ kind: 'shared', path: '/nowhere/at/all' }),
    true,
    'storage_missing',
  ],
])('a VM does not start whose disk %s', async (_, wanted, mayMake, code) => {
  const { dir, files } = host();
  writeFileSync(join(dir, 'images', 'large.img'), new Uint8Array(2 * MIB));
  await expect(files.provide(VM_ID, [wanted], mayMake)).rejects.toMatchObject({ code });
});

describe('an arrival', () => {
  const arrival = (disks: Disk[], allocatedMiB = 1): PrepareIncoming => ({
    ...{ migrationId: randomUUID(), vmId: VM_ID, epoch: 2, encrypted: false, tunnelled: false },
    spec: { name: 'db-1', vcpus: 1, memoryMiB: 32, image: 'disk', append: '', nics: [], disks },
    devices: [],
    means: { allowed: [], begunWith: [] },
    disks: disks.map(({ name }) => ({ name, token: `drover-${name}`, allocatedMiB })),
  });

  test('sees a disk whose token it sees, and no other', async () => {
    const { dir, files: source } = host();
    const common = disk({ path: dir });
    const own = disk({ name: 'own' });
    await source.provide(VM_ID, [common, own], true);
    for (const each of [common, own]) await source.putToken(VM_ID, each, `drover-${each.name}`);
    const { files: destination } = host();
    expect(unseenDisks(destination, arrival([common, own]))).toEqual([own]);
    source.removeToken(VM_ID, common, 'drover-data');
    expect(unseenDisks(destination, arrival([common, own]))).toEqual([common, own]);
    const shared = arrival([{ ...common, kind: 'shared' }]);
    expect(() => unseenDisks(destination, shared)).toThrow('this host does not see');
  });

  test('makes room for all disks or for none', async () => {
    const { dir, files } = host();
    const [one, two] = [disk(), disk({ name: 'two' })];
    await makeRoom(files, arrival([one, two]), [one, two]);
    expect(readdirSync(join(dir, 'disks', VM_ID)).toSorted()).toEqual(['data.raw', 'two.raw']);
    await files.remove(VM_ID, [one]);
    await expect(makeRoom(files, arrival([one, two]), [one, two])).rejects.toMatchObject({ code: 'disk_exists' });
    expect(readdirSync(join(dir, 'disks', VM_ID))).toEqual(['two.raw']);
    await files.remove(VM_ID, [two]);
    const large = arrival([one], 2 ** 40);
    await expect(makeRoom(files, large, [one])).rejects.toMatchObject({ code: 'capacity' });
    expect(existsSync(files.pathOf(VM_ID, one))).toBe(false);
  });
});

test('a copy that is not found once it was begun has failed', () => {
  const destination = { hostId: VM_ID, hostName: 'b', agentUrl: 'http://127.0.0.1:1', ticket: 'x' };
  const spec = { name: 'db-1', vcpus: 1, memoryMiB: 32, image: 'disk', append: '', nics: [], disks: [disk()] };
  const convergence = { mode: 'predictive' as const, means: [], deadlineSeconds: 60 };
  const limits = {
    downtimeLimitMs: 300,
    bandwidthMiBps: null,
    timeoutSeconds: 60,
    convergence,
    encrypted: false,
    tunnelled: false,
    decideAloneAfterSeconds: 5,
    checkpointLimitMiB: 0,
  };
  const ids = { migrationId: randomUUID(), vmId: VM_ID, sourceEpoch: 1, epoch: 2 };
  const begun = newMigrationRecord({ kind: 'migrate', ...ids, spec, destination, ...limits }, new Date().toISOString());
  const nbd = { host: 'b', port: 1, exports: [{ disk: 'data', name: 'secret' }] };
  const mirror = { disk: 'data', transferredBytes: 1, remainingBytes: 1, isReady: false, error: null };
  const mirroring = { failure: null };
  expect(diskState(begun, [])).toEqual({ status: 'ready' });
  expect(diskState({ ...begun, nbd }, [])).toEqual({ status: 'idle' });
  expect(diskState({ ...begun, nbd, mirroring }, [mirror])).toEqual({ status: 'running' });
  expect(diskState({ ...begun, nbd, mirroring }, [{ ...mirror, isReady: true }])).toEqual({ status: 'ready' });
  expect(diskState({ ...begun, nbd, mirroring }, [])).toMatchObject({ status: 'failed' });
  expect(diskState({ ...begun, nbd, mirroring }, [{ ...mirror, error: 'ENOSPC' }])).toMatchObject({ status: 'failed' });
  expect(diskState({ ...begun, nbd, mirroring: { failure: 'refused' } }, [])).toMatchObject({ status: 'failed' });
});
