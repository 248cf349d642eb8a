/** VMs that run the Linux guest of `drover guest fetch`, with their serial console. */
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import type { QmpClient } from '#qmp';
import { VmmProcess } from './process.js';

const FOLDER = join(import.meta.dirname, '../../.drover/images/linux');
export const LINUX = { kernel: join(FOLDER, 'kernel'), initrd: join(FOLDER, 'initrd') } as const;

/** An emulated machine boots for a while, and longer beside other tests. */
const PATIENCE_MS = 180_000;

/** True if the guest has been fetched; says on the console what is skipped if not. */
export function hasLinux(whatIsSkipped: string): boolean {
  const found = existsSync(LINUX.kernel) && existsSync(LINUX.initrd);
  if (!found) console.warn(`skipped: ${whatIsSkipped}, because there is no Linux guest: drover guest fetch`);
  return found;
}

interface LinuxOptions {
  readonly harts?: number;
  readonly ramMiB?: number;
  /** Kernel command line; what follows `--` is run instead of a shell. */
  readonly append?: string;
  readonly args?: readonly string[];
}

export class LinuxVm {
  /** All that has come from its serial port. */
  console = '';
  private commands = 0;

  private constructor(
    readonly vmm: VmmProcess,
    readonly qmp: QmpClient,
    private readonly serial: Socket,
  ) {
    serial.on('data', (bytes) => (this.console += bytes.toString('latin1')));
  }

  /** Starts a VM. Its process ends with the test. */
  static start({ append = 'quiet', ...options }: LinuxOptions = {}): Promise<LinuxVm> {
    return LinuxVm.launch(options, ['-kernel', LINUX.kernel, '-initrd', LINUX.initrd, '-append', append]);
  }

  /** Starts a VMM that waits for such a VM to arrive. */
  static expect(options: LinuxOptions = {}): Promise<LinuxVm> {
    return LinuxVm.launch(options, ['-incoming', 'tcp:127.0.0.1:0']);
  }

  private static async launch({ harts = 1, ramMiB = 256, args = [] }: LinuxOptions, more: readonly string[]) {
    const size = ['-smp', String(harts), '-m', `${ramMiB}M`];
    const vmm = new VmmProcess(undefined, [...size, '-S', '-serial', 'unix:serial', ...args, ...more]);
    const qmp = await vmm.connect();
    const serial = connect(join(vmm.folder, 'serial'));
    onTestFinished(() => void serial.destroy());
    const vm = new LinuxVm(vmm, qmp, serial);
    await qmp.execute('cont');
    return vm;
  }

  /** Waits for something on the console from position `from` on; resolves with the match. */
  waitFor(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return vi.waitFor(
      () => {
        const match = pattern.exec(this.console.slice(from));
        if (!match) throw new Error(`${pattern} not in ${this.console.slice(from).slice(-4000)}${this.vmm.stderr}`);
        return match;
      },
      { timeout: PATIENCE_MS, interval: 50 },
    );
  }

  /** Types a command into the shell, runs it in a subshell, and resolves with what it printed. Throws if that fails. */
  async shell(command: string): Promise<string> {
    const from = this.console.length;
    const id = ++this.commands;
    this.serial.write(`(echo "begin"=${id}; ${command}); echo "end"=${id}=$?\n`); // quoted: the echo of it does not match
    const match = await this.waitFor(new RegExp(`begin=${id}\\r\\n([^]*)end=${id}=(\\d+)\\r\\n`), from);
    if (match[2] !== '0') throw new Error(`${command}: status ${match[2]}: ${match[1]}`);
    return match[1]!.replaceAll('\r', '').trim();
  }

  /** Waits until it has booted to its shell. */
  async waitForShell(): Promise<void> {
    await this.waitFor(/drover: ready after .* s\r?\n[^]*# /);
  }

  /** Seconds since the guest booted, as it has them. */
  async uptime(): Promise<number> {
    return Number((await this.shell('cat /proc/uptime')).split(' ')[0]);
  }

  /** Ends a stress-ng whose output is in /run/stress. Throws unless it has found nothing wrong. */
  async endStress(): Promise<void> {
    const report = await this.shell(
      'killall -INT stress-ng; while pidof stress-ng > /dev/null; do sleep 1; done; cat /run/stress',
    );
    if (!report.includes('successful run')) throw new Error(`stress-ng: ${report}`);
  }

  /** Moves the VM, by post-copy if wished; resolves with the VM at its new place, whose console goes on there. */
  async move({ postcopy = false, ...options }: LinuxOptions & { readonly postcopy?: boolean } = {}): Promise<LinuxVm> {
    const destination = await LinuxVm.expect(options);
    const port = await vi.waitFor(async () => (await destination.queryMigrate())['socket-address']![0]!.port);
    const capabilities = [{ capability: 'postcopy-ram', state: postcopy }];
    await this.qmp.execute('migrate-set-capabilities', { capabilities });
    await this.qmp.execute('migrate', { uri: `tcp:127.0.0.1:${port}` });
    if (postcopy) await this.qmp.execute('migrate-start-postcopy');
    await vi.waitFor(
      async () => {
        const { status, 'error-desc': reason } = await this.queryMigrate();
        if (status !== 'completed') throw new Error(`the migration is ${status}: ${reason}`);
      },
      { timeout: PATIENCE_MS, interval: 20 },
    );
    await this.qmp.execute('quit');
    await this.vmm.ended;
    return destination;
  }

  private queryMigrate() {
    return this.qmp.execute<{
      readonly status?: string;
      readonly 'error-desc'?: string;
      readonly 'socket-address'?: readonly { readonly port: string }[];
    }>('query-migrate');
  }
}
