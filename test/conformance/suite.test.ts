/**
 * Images that signal through `tohost` end the process with their status, as the RISC-V test suites want it: a program
 * assembled here, and two in the style of the suites' environments (suite/), which QEMU's spike board runs as well.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { isInstalled } from '../programs.js';
import { assemble, auipc, b, csrr, i, jal, li, s } from '../vmm/assembler.js';
import { elfFile } from '../vmm/elf-file.js';

const MAIN = join(import.meta.dirname, '../../dist/apps/vmm/main.js');
const SUITE = join(import.meta.dirname, 'suite');
const GCC = 'riscv64-linux-gnu-gcc';
const FLAGS = [
  ...['-march=rv64gc', '-mabi=lp64d', '-mcmodel=medany', '-O2', '-ffreestanding', '-fno-pic', '-static', '-nostdlib'],
  ...['-no-pie', '-Wall', '-Werror', '-Wl,--build-id=none', '-Wl,-T,suite.ld', '-Wl,--no-warn-rwx-segments'],
];
const hasGcc = isInstalled(GCC, 'programs in the style of the test suites');
const hasQemu = isInstalled('qemu-system-riscv64', 'the same programs on the spike board of QEMU');

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'drover-suite-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

function compile(sources: readonly string[], ...definitions: string[]): string {
  const image = join(folder(), 'suite.elf');
  const { status, stderr } = spawnSync(GCC, [...FLAGS, ...definitions, '-o', image, ...sources], {
    cwd: SUITE,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${GCC}: ${stderr}`);
  return image;
}

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
}

function run(command: string, args: readonly string[]): Outcome {
  const { status, stdout } = spawnSync(command, args, { encoding: 'latin1', timeout: 90_000 });
  return { status, stdout };
}

const onDrover = (image: string, ...more: string[]) =>
  run(process.execPath, [MAIN, '-m', '64M', '-kernel', image, '-nographic', ...more]);
const onQemu = (image: string) =>
  run('qemu-system-riscv64', ['-M', 'spike', '-m', '64M', '-bios', 'none', '-kernel', image, '-nographic']);

test.each([
  [1n, 0],
  [5n, 2],
])('a program assembled here that stores %i ends the process with %i', (value, status) => {
  const TOHOST = 0x8000_1000;
  const wait = [csrr(5, 'mhartid'), b('beq', 5, 0, 8), jal(0, 0)]; // as the suites do with other harts
  const print = [...li(6, (1n << 56n) | (1n << 48n) | 0x6fn), s('sd', 6, 5, 0)];
  const code = [...wait, auipc(5, 1), i('addi', 5, 5, -12), ...print, ...li(6, value), s('sw', 6, 5, 0), jal(0, -4)];
  const image = join(folder(), 'image.elf');
  const content = new Uint8Array(0x1008);
  content.set(assemble(code));
  writeFileSync(image, elfFile(content, 0x8000_0000, { tohost: TOHOST }));
  expect(onDrover(image, '-smp', '4')).toEqual({ status, stdout: 'o' });
});

describe.skipIf(!hasGcc)('programs in the style of the suites', () => {
  const PHYSICAL = ['physical.S'];
  const VIRTUAL = ['virtual-entry.S', 'virtual.c'];

  test.each([
    ['physical', 0, '', PHYSICAL],
    ['physical', 4, '', PHYSICAL],
    ['virtual', 0, 'v', VIRTUAL],
    ['virtual', 9, 'v', VIRTUAL],
  ] as const)('%s environment: ends with %i, here as on QEMU', (_name, wrong, stdout, sources) => {
    const image = compile(sources, ...(wrong ? [`-DWRONG=${wrong}`] : []));
    expect(onDrover(image)).toEqual({ status: wrong, stdout });
    if (hasQemu) expect(onQemu(image)).toEqual({ status: wrong, stdout });
  });

  test('a program that prints by a system call of the host', () => {
    expect(onDrover(compile(VIRTUAL, '-DHOST_CALLS'))).toEqual({ status: 0, stdout: 'virtual\n' });
  });
});
