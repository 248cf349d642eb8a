import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import type { StandardDevice } from '#contracts';
import { findImage } from '../../apps/agent/vms/images.js';
import { STANDARD_DEVICES } from '#hypervisor';
import { vmmArguments } from '../../libs/hypervisor/vmm-driver.js';

const dir = mkdtempSync(join(tmpdir(), 'drover-images-'));
const folders = ['first', 'second'].map((name) => join(dir, name));
for (const file of [
  'first/pager.elf',
  'second/pager.elf',
  'second/linux/kernel',
  'second/linux/initrd',
  'second/bare/kernel',
]) {
  mkdirSync(dirname(join(dir, file)), { recursive: true });
  writeFileSync(join(dir, file), '');
}
mkdirSync(join(dir, 'second/empty'));

test.each([
  ['pager', { kernel: join(dir, 'first/pager.elf') }],
  ['linux', { kernel: join(dir, 'second/linux/kernel'), initrd: join(dir, 'second/linux/initrd') }],
  ['bare', { kernel: join(dir, 'second/bare/kernel') }],
  ['empty', undefined],
  ['none', undefined],
])('image %s is taken from the first folder that has it', (image, files) => {
  expect(findImage(folders, image)).toEqual(files);
});

test('the initial RAM disk is handed to the VMM', () => {
  const spec = {
    vmId: 'id',
    vcpus: 1,
    memoryMiB: 64,
    append: 'quiet',
    nics: [],
    devices: STANDARD_DEVICES,
    disks: [],
    incoming: false,
    folder: '/vm',
    runtimeFolder: '/run',
  };
  const sockets = { qmpSocket: '/run/qmp.sock', agentSocket: '/run/a,b.sock' };
  const args = vmmArguments({ ...spec, kernel: '/k', initrd: '/i' }, sockets);
  expect(args.join(' ')).toContain('-kernel /k -initrd /i -append quiet');
  expect(args).toContain('socket,id=agent,path=/run/a,,b.sock,server=on,wait=off');
  expect(vmmArguments({ ...spec, kernel: '/k' }, sockets)).not.toContain('-initrd');
});

test('a VM has the devices that it is given, in an order of their own', () => {
  const spec = { vmId: 'id', vcpus: 1, memoryMiB: 64, append: '', kernel: '/k', incoming: true };
  const place = { folder: '/vm', runtimeFolder: '/run' };
  const nics = [{ socket: '/run/nic0.sock', mac: '52:54:00:00:00:01' }];
  const sockets = { qmpSocket: '/run/qmp.sock', agentSocket: '/run/agent.sock' };
  const devicesOf = (devices: readonly StandardDevice[]) => {
    const args = vmmArguments({ ...spec, ...place, nics, disks: [], devices }, sockets);
    return args.filter((_, index) => args[index - 1] === '-device').map((device) => device.split(',')[0]);
  };
  const all = ['virtio-balloon-device', 'virtio-net-device', 'virtio-serial-device', 'virtserialport'];
  expect(devicesOf(['balloon', 'guest_agent'])).toEqual(all);
  expect(devicesOf(['guest_agent', 'balloon'])).toEqual(all);
  expect(devicesOf(['guest_agent'])).toEqual(all.slice(1));
  expect(devicesOf([])).toEqual(['virtio-net-device']);
});
