/** -bios FILE: firmware in M-mode on every hart, which hands over to a kernel in S-mode. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { installedFile } from '../programs.js';
import { supervisor } from '../vmm/guests.js';
import { VmmProcess } from '../vmm/process.js';

const OPENSBI = installedFile(
  [
    '/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin',
    '/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin',
  ],
  'booting through OpenSBI',
);
const HELLO = join(import.meta.dirname, '../../guests/hello.elf');

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
});
