import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { findImage } from '../../apps/agent/vms/images.js';
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
