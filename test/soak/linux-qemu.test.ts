/** The same Linux guest on Drover's VMM and on QEMU: what it computes and how it ends. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isInstalled } from '../programs.js';
import { hasLinux, LINUX } from '../vmm/linux.js';

const DROVER = [process.execPath, join(import.meta.dirname, '../../dist/apps/vmm/main.js')];
const QEMU = ['qemu-system-riscv64', '-M', 'virt'];
const canCompare = isInstalled('qemu-system-riscv64', 'Linux on QEMU') && hasLinux('Linux beside QEMU');

/** Both are emulated, beside each other and other tests. */
const PATIENCE_MS = 1_800_000;

const SCRIPT = [
  'uname -m',
  'nproc',
  'seq 3000 | sha256sum',
  "awk 'BEGIN { for (x = 1; x < 40; x++) print sin(x), exp(x / 7), x ^ 0.5, 1 / x, int(-x / 3) }'",
  'echo 0 > /sys/devices/system/cpu/cpu1/online',
  'cat /sys/devices/system/cpu/online',
  'exit 5',
].join('; ');

interface End {
  readonly status: number | null;
  /** What the guest printed from the moment that its own init had the word, without the kernel's lines. */
  readonly lines: readonly string[];
}

async function run([command, ...args]: readonly string[]): Promise<End> {
  const machine = ['-m', '256M', '-smp', '2', '-kernel', LINUX.kernel, '-initrd', LINUX.initrd, '-nographic'];
  const guest = spawn(command!, [...args, ...machine, '-append', `quiet -- sh -c "${SCRIPT}"`], { stdio: 'pipe' });
  let output = '';
  guest.stdout.on('data', (chunk) => (output += String(chunk)));
  const status = await new Promise<number | null>((resolve) => guest.once('close', resolve));
  const lines = output.split(/\r?\n/).filter((line) => !line.startsWith('['));
  return { status, lines: lines.slice(lines.findIndex((line) => line.startsWith('drover: ready')) + 1) };
}

test.runIf(canCompare)(
  'Linux computes the same on QEMU, and ends with the same status',
  async () => {
    const [drover, qemu] = await Promise.all([run(DROVER), run(QEMU)]);
    expect(qemu.status).toBe(5);
    expect(qemu.lines).toContain('drover: ended with status 5');
    expect(drover).toEqual(qemu);
  },
  PATIENCE_MS,
);
