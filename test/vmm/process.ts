/** drover-vmm processes for tests: each with its files in a folder of its own, and ended with the test. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { QmpClient } from '#qmp';

const MAIN = join(import.meta.dirname, '../../dist/apps/vmm/main.js');
const PATIENCE = { timeout: 90_000, interval: 20 };

export class VmmProcess {
  readonly folder = mkdtempSync(join(tmpdir(), 'drover-vmm-'));
  readonly console = join(this.folder, 'console');
  readonly qmp = join(this.folder, 'qmp');
  stderr = '';
  private readonly child: ChildProcess;
  /** Exit status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;

  constructor(image: Uint8Array | undefined, args: readonly string[]) {
    if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: build first (node tools/build.mjs --skip-portal)`);
    const kernel = join(this.folder, 'kernel');
    if (image) writeFileSync(kernel, image);
    const files = [...(image ? ['-kernel', kernel] : []), '-qmp', `unix:${this.qmp},server=on,wait=off`];
    const serial = args.includes('-serial') ? [] : ['-serial', `file:${this.console}`];
    const all = [MAIN, ...files, ...serial, ...args];
    this.child = spawn(process.execPath, all, { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr!.on('data', (chunk) => (this.stderr += String(chunk)));
    this.ended = new Promise((resolve) => this.child.once('close', (code, signal) => resolve(code ?? signal!)));
    onTestFinished(async () => {
      this.child.kill('SIGKILL');
      await this.ended;
      rmSync(this.folder, { recursive: true });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** What the guest has printed into the console file. */
  printed(): string {
    return existsSync(this.console) ? readFileSync(this.console, 'latin1') : '';
  }

  async waitForPrinted(text: string): Promise<void> {
    await vi.waitFor(() => {
      if (!this.printed().includes(text))
        throw new Error(
          `${JSON.stringify(text)} not in what was printed, which ends: ${this.printed().slice(-1_000)}${this.stderr}`,
        );
    }, PATIENCE);
  }

  async connect(): Promise<QmpClient> {
    const client = await vi.waitFor(() => QmpClient.connect({ path: this.qmp }, { timeoutMs: 90_000 }), PATIENCE);
    onTestFinished(() => client.close());
    return client;
  }

  /** CPU time that the process has used, in clock ticks of 10 ms (proc(5), stat). */
  cpuTicks(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  }
}
