/** The initial file system of the Linux guest: what is in it. How it starts is in guests/linux. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CpioEntry } from './cpio.js';

/** Drivers that are modules in Debian's kernel: for each boot, and for later; ext4 wants its checksum by name. */
export const BOOT_MODULES = ['virtio_blk', 'virtio_net', 'virtio_balloon', 'virtio_rng'];
export const LATER_MODULES = ['ext4', 'crc32c_generic'];
/** Programs: where the package has each, and its place in the guest. */
export const PROGRAMS = [
  { debianPackage: 'busybox-static', file: 'usr/bin/busybox', path: 'bin/busybox' },
  { debianPackage: 'stress-ng', file: 'usr/bin/stress-ng', path: 'bin/stress-ng' },
  { debianPackage: 'e2fsprogs', file: 'usr/sbin/mke2fs', path: 'sbin/mke2fs' },
  { debianPackage: 'e2fsprogs', file: 'usr/sbin/e2fsck', path: 'sbin/e2fsck' },
  { debianPackage: 'qemu-guest-agent', file: 'usr/sbin/qemu-ga', path: 'bin/qemu-ga' },
] as const;
/** Mount points, and folders that programs expect; busybox puts its links into the last four. */
const FOLDERS = ['proc', 'sys', 'dev', 'run', 'tmp', 'mnt', 'root', 'var', 'usr/bin', 'usr/sbin', 'sbin', 'bin'];

export interface InitramfsParts {
  /** Content of the programs, by their place in the guest. */
  readonly programs: ReadonlyMap<string, Buffer>;
  /** Where programs look for the dynamic loader: lib, or another name for it. */
  readonly loaderFolder: string;
  /** By soname. */
  readonly libraries: ReadonlyMap<string, Buffer>;
  readonly modules: readonly CpioEntry[];
  /** Files that are ours: guests/linux. */
  readonly overlay: readonly CpioEntry[];
}

/** All entries, in no order. */
export function initramfsEntries({ programs, loaderFolder, libraries, modules, overlay }: InitramfsParts): CpioEntry[] {
  const file = (path: string, content: Buffer): CpioEntry => ({ kind: 'file', path, content, executable: true });
  return [
    ...FOLDERS.map((path): CpioEntry => ({ kind: 'folder', path })),
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 }, // before anything is mounted
    { kind: 'link', path: 'bin/sh', target: 'busybox' },
    { kind: 'link', path: 'var/run', target: '/run' },
    ...(loaderFolder === 'lib' ? [] : [{ kind: 'link', path: loaderFolder, target: 'lib' } as const]),
    ...[...programs].map(([path, content]) => file(path, content)),
    ...[...libraries].map(([soname, content]) => file(`lib/${soname}`, content)),
    ...modules,
    ...overlay,
  ];
}

/** Every file below a folder, at the place that it has there. */
export function readOverlay(folder: string): CpioEntry[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return paths
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path) => {
      const executable = (statSync(join(folder, path)).mode & 0o100) !== 0;
      return { kind: 'file', path, content: readFileSync(join(folder, path)), executable };
    });
}
