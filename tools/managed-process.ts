/** A long-running program of the datacenter: started, watched, started again when it dies, stopped in order. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { readPidFile, writePidFile } from './pid-file.js';

interface Options {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where its output goes. */
  readonly logFile: string;
  /** Remembers the process, so that a later launcher can end one that outlived its own. */
  readonly pidFile: string;
  /** Called whenever it died without having been asked to. */
  readonly onDeath: (message: string) => void;
}

const FIRST_RESTART_MS = 500;
const LAST_RESTART_MS = 10_000;
/** One that ran this long starts with the first delay again. */
const STABLE_MS = 30_000;

const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

export class ManagedProcess {
  private child: ChildProcess | undefined;
  private stopping = false;
  private restart: NodeJS.Timeout | undefined;
  private delayMs = FIRST_RESTART_MS;

  constructor(private readonly options: Options) {}

  get pid(): number | undefined {
    return this.child?.exitCode === null && this.child.signalCode === null ? this.child.pid : undefined;
  }

  /** Ends a process that an earlier launcher left behind, as a crash would: VMs of an agent run on and are found again. */
  async endLeftover(): Promise<void> {
    const leftover = readPidFile(this.options.pidFile);
    if (leftover === undefined) return;
    process.kill(leftover, 'SIGKILL');
    while (readPidFile(this.options.pidFile) !== undefined) await sleep(20);
    rmSync(this.options.pidFile, { force: true });
  }

  start(): void {
    const { command, args, env, logFile, pidFile } = this.options;
    this.stopping = false;
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a');
    const startedAt = Date.now();
    // A process group of its own: Ctrl-C reaches the launcher alone, which then stops everything in order.
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    this.child = child;
    if (child.pid) writePidFile(pidFile, child.pid);
    child.once('error', (error) => this.options.onDeath(error.message));
    child.once('exit', (code, signal) => {
      rmSync(pidFile, { force: true });
      if (this.stopping) return;
      if (Date.now() - startedAt > STABLE_MS) this.delayMs = FIRST_RESTART_MS;
      this.options.onDeath(signal ? `was ended by ${signal}` : `ended with status ${code}: ${this.lastWords()}`);
      this.restart = setTimeout(() => this.start(), this.delayMs);
      this.delayMs = Math.min(this.delayMs * 2, LAST_RESTART_MS);
    });
  }

  /** SIGTERM, then SIGKILL after `graceMs`. */
  async stop(graceMs = 10_000): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restart);
    const child = this.child;
    if (!child || this.pid === undefined) return;
    const ended = new Promise<void>((done) => child.once('exit', () => done()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await ended;
    clearTimeout(timer);
  }

  /** The line of its log that tells best why it ended. */
  lastWords(): string {
    const { logFile } = this.options;
    if (!existsSync(logFile) || statSync(logFile).size === 0) return 'it wrote no log';
    const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n');
    return lines.findLast((line) => /error|drover/i.test(line)) ?? lines.at(-1)!;
  }
}
