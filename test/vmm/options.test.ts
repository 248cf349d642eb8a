import { expect, test } from 'vitest';
import { HELP, parseCommandLine } from '../../apps/vmm/options.js';

const parse = (line: string) => parseCommandLine(line.split(' '));

test('the line of QEMU that agents use is understood', () => {
  const line =
    '-m 256M -smp 2 -kernel pager.elf -serial unix:/run/vm/serial -qmp unix:/run/vm/qmp,server=on,wait=off ' +
    '-incoming defer -S -nographic -name web -uuid 6F9619FF-8B86-D011-B42D-00CF4FC964FF -pidfile /run/vm/pid -bios none';
  expect(parseCommandLine([...line.split(' '), '-append', 'region=64 dirty=10'])).toEqual({
    kind: 'run',
    ramBytes: 256 * 2 ** 20,
    harts: 2,
    kernel: 'pager.elf',
    append: 'region=64 dirty=10',
    bios: 'none',
    devices: [],
    netdevs: [],
    watchdogAction: 'reset',
    sandbox: false,
    chardevs: [],
    acceleration: { translate: true, translateAfter: 8000 },
    drives: [],
    serial: { kind: 'unix', path: '/run/vm/serial' },
    qmp: [{ path: '/run/vm/qmp' }],
    incoming: 'defer',
    epoch: 1,
    startStopped: true,
    nographic: true,
    name: 'web',
    uuid: '6f9619ff-8b86-d011-b42d-00cf4fc964ff',
    pidfile: '/run/vm/pid',
  });
});

test('what is not said is as on QEMU, with the SBI built in', () => {
  expect(parse('-kernel k')).toMatchObject({ ramBytes: 128 * 2 ** 20, harts: 1, bios: 'sbi', append: '', qmp: [] });
  expect(parse('-kernel k')).toMatchObject({ serial: { kind: 'null' }, startStopped: false });
  expect(parse('-kernel k -initrd i')).toMatchObject({ kernel: 'k', initrd: 'i' });
  expect(parse('-kernel k -nographic')).toMatchObject({ serial: { kind: 'stdio' } });
  expect(parse('-incoming tcp::4444')).toMatchObject({ incoming: { host: '127.0.0.1', port: 4444 } });
  expect(parse('-incoming tcp:[::1]:4444')).toMatchObject({ incoming: { host: '::1' } });
  expect(parse('--help')).toEqual({ kind: 'help' });
  expect(parse('-version')).toEqual({ kind: 'version', sandbox: false });
});

test("firmware of one's own needs no kernel", () => {
  expect(parse('-bios fw.bin')).toMatchObject({ bios: { file: 'fw.bin' } });
  expect(parse('-kernel k -bios default')).toMatchObject({ bios: 'sbi' });
});

test('-accel says whether code is translated', () => {
  const off = { translate: false, translateAfter: 8000 };
  expect(parse('-kernel k -accel drover,translate=off')).toMatchObject({ acceleration: off });
  expect(parse('-kernel k -accel drover,x-translate-after=7')).toMatchObject({ acceleration: { translateAfter: 7 } });
});

test.each([
  ['512', 512],
  ['1G', 1024],
  ['size=64M', 64],
  ['2048k', 2],
])('-m %s is %d MiB', (text, mebibytes) => {
  expect(parse(`-kernel k -m ${text}`)).toMatchObject({ ramBytes: mebibytes * 2 ** 20 });
});

test.each([
  ['-m 256M', /-kernel is missing/],
  ['-append x -incoming defer', /-append needs -kernel/],
  ['-initrd x -incoming defer', /-initrd needs -kernel/],
  ['-kernel k -m lots', /-m lots: give a size/],
  ['-kernel k -m 0', /-m 0: .*1M to 3584M/],
  ['-kernel k -m 1025K', /-m 1025K: .*whole number/],
  ['-kernel k -m 17G', /-m 17G: .*1M to (3584M; more needs Node.js 24|15872M)/],
  ['-kernel k -smp 0', /-smp 0: choose 1 to 16/],
  ['-kernel k -smp 2.5', /-smp 2.5: /],
  ['-kernel k -kernel l', /-kernel is given twice/],
  ['-kernel', /-kernel needs a value/],
  ['-kernel k -sandbox maybe', /-sandbox maybe: give on or off/],
  ['-kernel k -run-with chroot=/x', /-run-with chroot=.x: give user=NAME or user=UID:GID/],
  ['-kernel k -run-with user=n0b0dy', /-run-with user=n0b0dy: there is no such user/],
  ['-kernel k -watchdog-action debug', /-watchdog-action debug: choose reset, shutdown, poweroff, pause, none/],
  ['-kernel k -accel kvm', /-accel kvm: the only accelerator is drover/],
  ['-kernel k -accel drover,translate=yes', /translate=yes: give on or off/],
  ['-kernel k -M q35', /-M q35: .*virt/],
  ['-kernel k -serial tty', /-serial tty: give stdio/],
  ['-kernel k -qmp unix:/q', /-qmp unix:\/q: .*server=on,wait=off/],
  ['-kernel k -qmp pipe:x,server=on,wait=off', /-qmp pipe:x: /],
  ['-kernel k -qmp tcp:h:99999,server=on,wait=off', /-qmp tcp:h:99999: /],
  ['-kernel k -incoming fd:3', /-incoming fd:3: give tcp/],
  ['-kernel k -uuid 7', /-uuid 7: /],
  ['-kernel k -frob', /-frob: unknown option/],
  ['kernel', /kernel: unknown option/],
])('%s is refused', (line, reason) => {
  expect(() => parse(line)).toThrow(reason);
});

test('-help names every option', () => {
  for (const option of [
    '-m',
    '-smp',
    '-kernel',
    '-append',
    '-bios',
    '-serial',
    '-qmp',
    '-incoming',
    '-S',
    '-pidfile',
  ]) {
    expect(HELP).toContain(`  ${option} `);
  }
});
