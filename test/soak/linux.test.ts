/**
 * A Linux guest whose memory stress-ng verifies is moved again and again, on one hart and on four: stress-ng finds nothing
 * wrong, the console goes on, and time neither stands, jumps nor runs backwards.
 * DROVER_SOAK_LINUX_MIGRATIONS says how often (50).
 */
import { describe, expect, test } from 'vitest';
import { hasLinux, LinuxVm } from '../vmm/linux.js';
import { setting } from './settings.js';

const COUNT = setting('DROVER_SOAK_LINUX_MIGRATIONS', 50);
const BOOT_MS = 300_000;
/** Longest time that one move and what is looked at after it may take. */
const MOVE_MS = 120_000;

describe.runIf(hasLinux('moving Linux guests'))('a Linux guest', () => {
  test.for([1, 4])(`is moved ${COUNT} times, with %i harts`, { timeout: BOOT_MS + COUNT * MOVE_MS }, async (harts) => {
    const size = { harts, ramMiB: 256 };
    let vm = await LinuxVm.start(size);
    await vm.waitForShell();
    await vm.shell('while read -r up _ < /proc/uptime; do echo "tick=$up"; sleep 1; done > /run/ticks &');
    await vm.shell(`stress-ng --vm ${harts} --vm-bytes 64M --verify --timeout 0 > /run/stress 2>&1 &`);
    const began = { guest: await vm.uptime(), hostMs: Date.now() };
    for (let moves = 1; moves <= COUNT; moves++) {
      vm = await vm.move(size);
      expect(await vm.shell(`echo move $((${moves}))`)).toBe(`move ${moves}`);
    }
    const passed = { guest: (await vm.uptime()) - began.guest, host: (Date.now() - began.hostMs) / 1000 };
    console.log(
      `${COUNT} moves with ${harts} harts: ${passed.host.toFixed(0)} s, of which the guest ran ${passed.guest.toFixed(0)} s`,
    );
    expect(passed.guest).toBeLessThanOrEqual(passed.host + 0.1);

    const ticks = (await vm.shell('cat /run/ticks')).split('\n').map((line) => Number(line.split('=')[1]));
    expect(ticks.length).toBeGreaterThan(1);
    expect(ticks).toEqual(ticks.toSorted((a, b) => a - b));
    expect(await vm.shell('dmesg')).not.toMatch(/soft lockup|rcu.*stall|BUG|Oops|time.*backwards/);
    await vm.endStress();
  });
});
