/** -bios FILE: firmware in M-mode on every hart, which hands over to a kernel in S-mode. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { installedFile } from '../programs.js';
import { supervisor } from '../vmm/guests.js';
import { moveGuest } from '../vmm/move.js';
import { VmmProcess } from '../vmm/process.js';

const OPENSBI = installedFile(
  [
    '/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin',
    '/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin',
  ],
  'booting through OpenSBI',
);
const HELLO = join(import.meta.dirname, '../../guests/hello.elf');
const PAGER = join(import.meta.dirname, '../../guests/pager.elf');

describe.skipIf(!OPENSBI)('OpenSBI', () => {
  test.each([1, 4])('starts a guest on %i harts', async (harts) => {
    const vmm = new VmmProcess(readFileSync(HELLO), ['-m', '64M', '-smp', `${harts}`, '-bios', OPENSBI!]);
    expect(await vmm.ended).toBe(0);
    expect(vmm.printed()).toMatch(/^\s*OpenSBI v\d/);
    expect(vmm.printed()).toMatch(new RegExp(`Platform HART Count +: ${harts}\\b`));
    expect(vmm.printed()).toMatch(/Boot HART PMP Count +: 16\b/);
    expect(vmm.printed()).toMatch(new RegExp(`hello from hart \\d of ${harts}, 64 MiB of RAM\\s*$`));
  });

  test('serves HSM, TIME, IPI and SRST from M-mode', async () => {
    const kernel = supervisor(4, 'SBI', 'UART');
    const vmm = new VmmProcess(kernel, ['-m', '64M', '-smp', '4', '-bios', OPENSBI!]);
    expect(await vmm.ended).toBe(0);
    expect(vmm.printed()).toMatch(/SE$/);
  });

  test('moves with its guest, and goes on serving it there', async () => {
    const machine = ['-m', '64M', '-smp', '2'];
    const source = new VmmProcess(readFileSync(PAGER), [...machine, '-bios', OPENSBI!, '-append', 'region=8 rate=4']);
    const qmp = await source.connect();
    await source.waitForPrinted('pager seq=1 ');
    const { vmm } = await moveGuest(qmp, machine);
    const arrivedWith = Number(/seq=(\d+) (?!.*seq=)/s.exec(source.printed())![1]);
    await vmm.waitForPrinted(`pager seq=${arrivedWith + 3} `);
    expect(source.printed() + vmm.printed()).not.toContain('ERROR');
  });
});
