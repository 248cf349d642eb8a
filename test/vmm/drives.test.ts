/** What -drive and virtio-blk-device are given, and who may have a file. */
import { expect, onTestFinished, test } from 'vitest';
import { Drives, openDrives } from '../../apps/vmm/devices/drives.js';
import { plugDevices } from '../../apps/vmm/devices/plug.js';
import { bareHost } from './bare-host.js';
import { imageFile } from './blk-driver.js';

const nothing = () => undefined;

async function open(...texts: string[]): Promise<Drives> {
  const drives = await openDrives(texts, nothing);
  onTestFinished(() => drives.close());
  return drives;
}

const disk = () => imageFile(new Uint8Array(8192));
const plug = (drives: Drives, ...devices: string[]) => plugDevices({ devices }, { ...bareHost(), drives });

test('a drive gets the device that names it, or one of its own behind the others', async () => {
  const drives = await open(`file=${disk()}`, `file=${disk()},format=raw,if=none,id=d0,readonly=on,cache=writethrough`);
  const { plugged } = await plug(drives, 'virtio-blk-device,drive=d0,serial=s,num-queues=3', 'virtio-rng-device');
  expect(plugged.map(({ device }) => [device!.deviceId, device!.queueSizes.length])).toEqual([
    [2, 3],
    [4, 1],
    [2, 1],
  ]);
  expect(drives.list.map(({ id }) => id)).toEqual(['virtio0', 'd0']);
});

test.each([
  ['format=raw', /-drive format=raw: file= is missing/],
  ['file=/nowhere/x', /ENOENT/],
  ['file=/tmp', /EISDIR/],
  ['file=/dev/null', /that is no file: give a raw image/],
  [`file=IMAGE,format=qcow2`, /format=qcow2: give raw/],
  [`file=IMAGE,if=none`, /id= is missing/],
  [`file=IMAGE,readonly=perhaps`, /readonly=perhaps: give on or off/],
  ['file=IMAGE,werror=never', /werror=never: give enospc or report or ignore or stop/],
  [`file=IMAGE,frob=1`, /unknown property frob/],
])('-drive %s is refused', async (text, reason) => {
  await expect(openDrives([text.replace('IMAGE', disk())], nothing)).rejects.toThrow(reason);
});

test('an image that is no whole number of sectors is refused', async () => {
  await expect(openDrives([`file=${imageFile(new Uint8Array(700))}`], nothing)).rejects.toThrow('700 bytes');
});

test.each([
  ['virtio-blk-device', /drive= is missing/],
  ['virtio-blk-device,drive=d1', /there is no -drive with id=d1/],
  ['virtio-blk-device,drive=d0,num-queues=0', /num-queues=0: give a whole number from 1 to 16/],
  ['virtio-blk-device,drive=d0,serial=123456789012345678901', /at most 20 characters/],
  ['virtio-blk-device,drive=d0,logical_block_size=4096,physical_block_size=512', /less than logical/],
])('-device %s is refused', async (text, reason) => {
  await expect(plug(await open(`file=${disk()},if=none,id=d0`), text)).rejects.toThrow(reason);
});

test('a drive has one device', async () => {
  const drives = await open(`file=${disk()}`);
  await expect(plug(drives, 'virtio-blk-device,drive=virtio0')).rejects.toThrow('has a device already');
});

test('a file has one writer, or any number of readers', async () => {
  const path = disk();
  const [writer, other] = [await open(`file=${path}`), await open(`file=${path}`)];
  const readers = [await open(`file=${path},readonly=on`), await open(`file=${path},readonly=on`)];
  writer.lock();
  writer.lock();
  for (const each of [other, ...readers]) expect(() => each.lock()).toThrow(/virtio0 .*another process uses it/);
  await writer.release();
  for (const reader of readers) reader.lock();
  expect(() => writer.lock()).toThrow('another process uses it');
  for (const reader of readers) await reader.release();
  other.check();
  writer.lock();
  expect(() => other.check()).toThrow('another process uses it');
});

test('of several drives all are locked or none', async () => {
  const [one, two] = [disk(), disk()];
  const owner = await open(`file=${two}`);
  owner.lock();
  await expect(async () => (await open(`file=${one}`, `file=${two}`)).lock()).rejects.toThrow('virtio1');
  (await open(`file=${one}`)).lock();
});
