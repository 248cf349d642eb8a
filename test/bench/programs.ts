/** The programs that are compared: Drover's VMM and QEMU, which understand the same options. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { versionOf } from './measured-on.js';

/** The project's folder, from test/ as well as from dist/test/. */
export const root = ['../..', '../../..']
  .map((up) => join(import.meta.dirname, up))
  .find((folder) => existsSync(join(folder, 'package.json')))!;

export interface Program {
  readonly name: string;
  readonly command: string;
  /** Before all other options. */
  readonly args: readonly string[];
  /** True if a guest that slept when it was migrated must be woken: see wake-harts.ts. */
  readonly losesTimers: boolean;
}

export const DROVER: Program = {
  name: 'Drover',
  command: process.execPath,
  args: [join(root, 'dist/apps/vmm/main.js')],
  losesTimers: false,
};

export const QEMU: Program = {
  name: 'QEMU',
  command: 'qemu-system-riscv64',
  args: ['-M', 'virt', '-nodefaults', '-display', 'none'],
  losesTimers: true,
};

/** Those that are here, Drover first. */
export function installedPrograms(): readonly Program[] {
  return versionOf(QEMU.command) === undefined ? [DROVER] : [DROVER, QEMU];
}

/** What a table says when there is nothing to compare with. */
export const withoutQemu = (programs: readonly Program[]): readonly string[] =>
  programs.includes(QEMU) ? [] : ['qemu-system-riscv64 is not installed here: there is nothing to compare with.'];

export const guestFile = (guest: string): string => join(root, 'guests', `${guest}.elf`);
