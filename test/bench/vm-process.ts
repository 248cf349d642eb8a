/** One VM in a process of its own, Drover's or QEMU's, with its QMP connection and its console. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient, QmpConnectionError, type QmpEvent } from '#qmp';
import { type Program, guestFile } from './programs.js';
import { wakeHarts, wakeableArgs } from './wake-harts.js';

export interface VmOptions {
  readonly program: Program;
  readonly ramMiB: number;
  readonly harts?: number;
  readonly guest: string;
  readonly append: string;
  /** Waits for a migration on a free port of the loopback. */
  readonly incoming?: boolean;
}

/** Resolves with what `probe` finds. Throws if it finds nothing in time, or as soon as the probe throws. */
export async function waitFor<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  { timeoutMs = 60_000, intervalMs = 20 } = {},
): Promise<T> {
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline; await sleep(intervalMs)) {
    const found = await probe();
    if (found !== undefined) return found;
  }
  throw new Error(`${what} did not happen within ${timeoutMs / 1000} s`);
}

/** Linux counts CPU time in ticks of 10 ms (proc(5), stat; USER_HZ). */
const TICKS_PER_SECOND = 100;

export class VmProcess {
  readonly events: QmpEvent[] = [];
  private stderr = '';
  private client: QmpClient | undefined;
  private readonly ended: Promise<void>;

  private constructor(
    readonly options: VmOptions,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    child.stderr!.on('data', (text) => (this.stderr += String(text)));
    this.ended = new Promise((resolve) => child.once('close', () => resolve()));
  }

  /** Starts the process and connects to it. */
  static async start(options: VmOptions): Promise<VmProcess> {
    const { program, ramMiB, harts = 1, guest, append, incoming } = options;
    const folder = mkdtempSync(join(tmpdir(), 'drover-bench-'));
    const args = [
      ...program.args,
      ...['-m', `${ramMiB}M`, '-smp', `${harts}`, '-kernel', guestFile(guest), '-append', append],
      ...['-serial', `file:${join(folder, 'console')}`, '-qmp', `unix:${join(folder, 'qmp')},server=on,wait=off`],
      ...(incoming ? ['-incoming', 'tcp:127.0.0.1:0'] : []),
      ...(program.losesTimers ? wakeableArgs(join(folder, 'qtest')) : []),
    ];
    const child = spawn(program.command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const vm = new VmProcess(options, child, folder);
    try {
      await vm.connect(join(folder, 'qmp'));
    } catch (error) {
      await vm.end();
      throw error;
    }
    return vm;
  }

  private async connect(path: string): Promise<void> {
    const { name } = this.options.program;
    this.client = await waitFor(`${name}: opening QMP`, async () => {
      if (this.child.exitCode !== null) throw new Error(`${name} has ended: ${this.stderr}`);
      if (!existsSync(path)) return undefined;
      return await QmpClient.connect({ path }, { timeoutMs: 60_000 }).catch((error: unknown) => {
        if (error instanceof QmpConnectionError) return undefined; // its file is there before it listens
        throw error;
      });
    });
    this.client.onEvent((event) => this.events.push(event));
  }

  get qmp(): QmpClient {
    return this.client!;
  }

  /** The last line that the process printed about itself; empty: none. */
  get lastWords(): string {
    return this.stderr.trim().split('\n').at(-1) ?? '';
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** What the guest has printed in this process. */
  get console(): string {
    const file = join(this.folder, 'console');
    return existsSync(file) ? readFileSync(file, 'latin1') : '';
  }

  /** After a migration to here, until the guest goes on: makes up for the timer that the program may have lost. */
  async nudge(): Promise<void> {
    const { program, harts = 1 } = this.options;
    if (program.losesTimers) await wakeHarts(join(this.folder, 'qtest'), harts);
  }

  /** Host time in ms of the last event of that name. */
  eventMs(name: string): number {
    const event = this.events.findLast((candidate) => candidate.event === name);
    if (!event) throw new Error(`${this.options.program.name} sent no event ${name}`);
    return event.timestamp.seconds * 1000 + event.timestamp.microseconds / 1000;
  }

  /** CPU time that the process has used. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  /** The harts' threads, by the host's ids. */
  async hartThreads(): Promise<number[]> {
    return waitFor(`${this.options.program.name}: threads of the harts`, async () => {
      const harts = await this.qmp.execute<{ 'thread-id': number }[]>('query-cpus-fast');
      const threads = harts.map(({ 'thread-id': thread }) => thread);
      return threads.every((thread) => thread > 0) ? threads : undefined;
    });
  }

  /** CPU time of these threads (Documentation/scheduler/sched-stats.rst); undefined if they have ended. */
  cpuMsOf(threads: readonly number[]): number | undefined {
    const files = threads.map((thread) => `/proc/${this.pid}/task/${thread}/schedstat`);
    if (!files.every((file) => existsSync(file))) return undefined;
    return files.reduce((sum, file) => sum + Number(readFileSync(file, 'utf8').split(' ')[0]), 0) / 1e6;
  }

  /** Memory of the process that is resident. */
  residentMiB(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)![1]) / 1024;
  }

  /** Ends the process at once and removes its files. */
  async end(): Promise<void> {
    this.client?.close();
    this.child.kill('SIGKILL');
    await this.ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
