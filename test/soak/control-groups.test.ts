/**
 * Control groups of version 2, which this machine may not have: a kernel of Debian in QEMU, with the files of this machine
 * to be read alone, mounts them and runs limit-vcpu.mjs.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { isInstalled } from '../programs.js';

/** What Debian's kernel needs to see files over 9p, in an order in which it takes them. */
const MODULES = [
  ...['drivers/virtio/virtio_ring', 'drivers/virtio/virtio', 'drivers/virtio/virtio_pci_modern_dev'],
  ...['drivers/virtio/virtio_pci_legacy_dev', 'drivers/virtio/virtio_pci', 'net/9p/9pnet', 'net/9p/9pnet_virtio'],
  ...['fs/netfs/netfs', 'fs/fscache/fscache', 'fs/9p/9p'],
];
const SCRIPT = join(import.meta.dirname, 'limit-vcpu.mjs');
const INIT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
${MODULES.map((module) => `/bin/busybox insmod /${basename(module)}.ko`).join('\n')}
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 root /root
for each in proc:/proc sysfs:/sys devtmpfs:/dev tmpfs:/run cgroup2:/sys/fs/cgroup; do
  /bin/busybox mount -t \${each%%:*} none /root\${each#*:}
done
HOME=/run /bin/busybox chroot /root ${process.execPath} ${SCRIPT} 2>&1
/bin/busybox poweroff -f
`;

interface Told {
  readonly controllers: readonly string[];
  readonly places: readonly {
    readonly place: string;
    readonly isPossible: boolean;
    readonly own: string;
    readonly main: string;
    readonly isGone: boolean;
    readonly free: number;
    readonly limited: number;
    readonly lifted: number;
  }[];
  readonly limits: Readonly<Record<string, string>>;
}

/** An archive as an initramfs is one (Documentation/driver-api/early-userspace/buffer-format.rst), "newc". */
function archive(files: Readonly<Record<string, string | Buffer>>, folders: readonly string[]): Buffer {
  const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  const entry = (name: string, mode: number, content: Buffer) => {
    const fields = [0, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
    return Buffer.concat([padded(Buffer.from(header)), padded(content)]);
  };
  return Buffer.concat([
    ...folders.map((name) => entry(name, 0o040755, Buffer.alloc(0))),
    ...Object.entries(files).map(([name, content]) => entry(name, 0o100755, Buffer.from(content))),
    entry('TRAILER!!!', 0, Buffer.alloc(0)),
  ]);
}

/** Fetches and unpacks Debian's kernel of today, and busybox; returns where. */
function fetchKernel(dir: string): { readonly kernel: string; readonly initrd: string } {
  const depends = execFileSync('apt-cache', ['depends', 'linux-image-amd64'], { encoding: 'utf8' });
  const image = /Depends: (linux-image-\S+)/.exec(depends)![1]!;
  execFileSync('apt-get', ['download', '-qq', image, 'busybox-static'], { cwd: dir, stdio: 'ignore' });
  for (const file of readdirSync(dir)) execFileSync('dpkg', ['-x', file, dir], { cwd: dir });
  const version = image.replace('linux-image-', '');
  const modules = ['lib', 'usr/lib'].map((lib) => join(dir, lib, 'modules', version, 'kernel'));
  const read = (module: string) => {
    const found = modules.flatMap((folder) => {
      try {
        return [readFileSync(join(folder, `${module}.ko`))];
      } catch {
        return []; // Debian has moved them
      }
    });
    if (!found[0]) throw new Error(`${image} has no module ${module}.ko in ${modules.join(' or ')}`);
    return [`${basename(module)}.ko`, found[0]] as const;
  };
  const busybox = readFileSync(join(dir, 'bin/busybox'));
  const files = { ...Object.fromEntries(MODULES.map(read)), 'bin/busybox': busybox, init: INIT };
  const initrd = join(dir, 'initrd');
  writeFileSync(initrd, archive(files, ['bin', 'dev', 'root']));
  return { kernel: join(dir, 'boot', `vmlinuz-${version}`), initrd };
}

const what = 'control groups of version 2';
const canRun = process.arch === 'x64' && isInstalled('qemu-system-x86_64', what) && isInstalled('apt-get', what);

test.runIf(canRun)(`${what}: a thread gets less CPU, and all of it back`, { timeout: 900_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'drover-kernel-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const { kernel, initrd } = fetchKernel(dir);
  const console = join(dir, 'console');
  const files = 'local,id=root,path=/,security_model=none,readonly=on,multidevs=remap';
  const qemu = spawn('qemu-system-x86_64', [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-m', '1G', '-smp', '2', '-nodefaults', '-display', 'none'],
    ...['-no-reboot', '-serial', `file:${console}`, '-kernel', kernel, '-initrd', initrd],
    ...['-append', 'console=ttyS0 quiet panic=-1', '-fsdev', files],
    ...['-device', 'virtio-9p-pci,fsdev=root,mount_tag=root'],
  ]);
  onTestFinished(() => void qemu.kill('SIGKILL'));
  await once(qemu, 'exit');
  const said = readFileSync(console, 'utf8');
  const told = JSON.parse(/TOLD (.*)/.exec(said)?.[1] ?? expect.fail(said)) as Told;
  expect(told.controllers).toEqual(expect.arrayContaining(['cpu', 'memory', 'pids']));
  expect(told.places.map(({ place }) => place)).toEqual(['/', '/drover/vm-1']);
  for (const { place, isPossible, own, main, isGone, free, limited, lifted } of told.places) {
    expect({ isPossible, main, isGone }).toEqual({ isPossible: true, main: place, isGone: true });
    expect(own).toMatch(/\/drover-vcpus-\d+$/);
    expect(limited).toBeLessThan(0.3); // of the time of its own machine, in which nothing else runs
    expect(Math.min(free, lifted)).toBeGreaterThan(2 * limited);
  }
  expect(told.limits).toEqual({ 'memory.max': String(512 * 2 ** 20), 'cpu.max': '200000 100000', 'pids.max': '64' });
});
