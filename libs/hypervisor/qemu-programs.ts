/** Which QEMUs a host has, and how fast each executes guests. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { arch } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { MACHINES, QEMU_ARCHITECTURES, type QemuArchitecture } from './qemu-machines.js';

export interface QemuProgram {
  readonly architecture: QemuArchitecture;
  /** Path of qemu-system-ARCHITECTURE. */
  readonly path: string;
  /** Such as 7.2.22. */
  readonly version: string;
  readonly accelerator: 'kvm' | 'tcg';
}

export const KVM = '/dev/kvm';
const NODE_NAMES: Readonly<Record<QemuArchitecture, string>> = { riscv64: 'riscv64', x86_64: 'x64' };
const TIMEOUT_MS = 10_000;
/** netdev `stream` came with it. */
const OLDEST_MAJOR = 7.2;
const run = promisify(execFile);

/** Looks through PATH; a QEMU that does not run, or is too old, is left out. */
export async function findQemus(path = process.env.PATH ?? ''): Promise<QemuProgram[]> {
  const found = await Promise.all(QEMU_ARCHITECTURES.map((architecture) => findQemu(architecture, path)));
  return found.filter((program) => program !== null);
}

async function findQemu(architecture: QemuArchitecture, path: string): Promise<QemuProgram | null> {
  const files = path.split(delimiter).map((folder) => join(folder, `qemu-system-${architecture}`));
  const program = files.find((file) => isAccessible(file, constants.X_OK));
  if (program === undefined) return null;
  try {
    const { stdout } = await run(program, ['-version'], { timeout: TIMEOUT_MS });
    const version = /version (\d+\.\d+(?:\.\d+)?)/.exec(stdout)?.[1];
    if (version === undefined || Number.parseFloat(version) < OLDEST_MAJOR) return null;
    return { architecture, path: program, version, accelerator: await acceleratorOf(architecture, program) };
  } catch {
    return null; // a program that cannot say its version runs no guests
  }
}

async function acceleratorOf(architecture: QemuArchitecture, program: string): Promise<'kvm' | 'tcg'> {
  if (NODE_NAMES[architecture] !== arch() || !isAccessible(KVM, constants.R_OK | constants.W_OK)) return 'tcg';
  const { machine, cpu } = MACHINES[architecture];
  // A machine that stands still shows whether KVM works, and has all that the guests' CPU has.
  const args = ['-accel', 'kvm', '-machine', machine, '-cpu', cpu, '-S', '-display', 'none', '-nodefaults'];
  const trial = run(program, [...args, '-monitor', 'stdio'], { timeout: TIMEOUT_MS });
  trial.child.stdin?.end('quit\n');
  return trial.then(
    () => 'kvm',
    () => 'tcg',
  );
}

function isAccessible(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}
