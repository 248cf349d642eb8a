/** Debian's kernel and userland as a guest: it boots, computes on several harts, and is moved while it runs. */
import { describe, expect, test } from 'vitest';
import { hasLinux, LinuxVm } from '../vmm/linux.js';

describe.runIf(hasLinux('the tests of a Linux guest'))('a Linux guest', () => {
  test('boots to a shell, is moved while its memory is verified, and switches itself off', async () => {
    let vm = await LinuxVm.start();
    await vm.waitForShell();
    expect(await vm.shell('uname -m')).toBe('riscv64');
    await vm.shell('stress-ng --vm 1 --vm-bytes 32M --verify --timeout 0 > /run/stress 2>&1 &');
    const began = { guest: await vm.uptime(), hostMs: Date.now() };
    for (let moves = 1; moves <= 3; moves++) vm = await vm.move({ postcopy: moves === 2 });
    expect(await vm.shell('echo still $((6 * 7))')).toBe('still 42');
    const passed = { guest: (await vm.uptime()) - began.guest, host: (Date.now() - began.hostMs) / 1000 };
    expect(passed.guest).toBeGreaterThan(0);
    expect(passed.guest).toBeLessThanOrEqual(passed.host + 0.1); // it stands still while the guest does
    await vm.endStress();
    await vm.shell('poweroff -f &');
    expect(await vm.vmm.ended).toBe(0);
  }, 300_000);

  test('computes on four harts at once, and takes one out and in again', async () => {
    const work = 'for i in 1 2 3 4; do (seq 20000 | sha256sum) & done; wait';
    const script = [
      'nproc',
      work,
      'cd /sys/devices/system/cpu',
      'echo 0 > cpu1/online && cat online',
      'echo 1 > cpu1/online && cat online',
      work,
      'grep -c ^IPI0 /proc/interrupts',
      'exit 7',
    ];
    const vm = await LinuxVm.start({ harts: 4, append: `quiet -- sh -c "${script.join('; ')}"` });
    expect(await vm.vmm.ended).toBe(7);
    expect(vm.console).toContain('ended with status 7');
    const lines = vm.console.split(/\r?\n/);
    expect(lines).toContain('4');
    expect(lines.slice(lines.indexOf('0,2-3'))).toContain('0-3');
    const sums = lines.filter((line) => /^[0-9a-f]{64} {2}-$/.test(line));
    expect(sums).toHaveLength(8);
    expect(new Set(sums).size).toBe(1);
  }, 300_000);
});
