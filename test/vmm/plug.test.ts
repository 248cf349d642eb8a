/** What -device is given, and what QMP then finds. */
import { expect, test } from 'vitest';
import { plugDevices } from '../../apps/vmm/devices/plug.js';
import { bareHost } from './bare-host.js';

const plug = (...devices: string[]) => plugDevices({ devices }, bareHost());

test('devices are found by their id, or by their number', async () => {
  const { plugged, objects } = await plug(
    'virtio-rng-device',
    'virtio-balloon-device,id=balloon0,free-page-reporting=on,deflate-on-oom=on',
    'virtio-rng-device',
  );
  expect(plugged.map(({ device }) => device!.deviceId)).toEqual([4, 5, 4]);
  expect([...objects.keys()]).toEqual([
    '/machine/peripheral-anon/device[0]',
    '/machine/peripheral/balloon0',
    '/machine/peripheral-anon/device[1]',
  ]);
});

test.each([
  ['virtio-gpu-device', /-device virtio-gpu-device: unknown device; there are /],
  ['virtio-rng-device,size=3', /unknown property size/],
  ['virtio-balloon-device,deflate-on-oom=yes', /deflate-on-oom=yes: give off or on/],
])('-device %s is refused', async (text, reason) => {
  await expect(plug(text)).rejects.toThrow(reason);
});

test('an id is given once', async () => {
  await expect(plug('virtio-rng-device,id=a', 'virtio-rng-device,id=a')).rejects.toThrow(/id=a: another device/);
});
