/** A long-running program of the datacenter: started, watched, started again when it dies, stopped in order. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

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

/** Start time of a process in clock ticks since boot (proc(5), stat field 22): tells it from a later one of the same id. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined; // it has ended
  }
}

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

  /** Ends a process that an earlier launcher left behind. */
  async endLeftover(): Promise<void> {
    const { pidFile } = this.options;
    if (!existsSync(pidFile)) return;
    const [pid, startTime] = readFileSync(pidFile, 'utf8').split(' ');
    const isSame = () => startTimeOf(Number(pid)) === startTime;
    if (isSame()) process.kill(Number(pid), 'SIGTERM');
    for (let waited = 0; isSame() && waited < 10_000; waited += 50) await sleep(50);
    if (isSame()) process.kill(Number(pid), 'SIGKILL');
    rmSync(pidFile, { force: true });
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
    if (child.pid) writeFileSync(pidFile, `${child.pid} ${startTimeOf(child.pid) ?? ''}`);
    child.once('error', (error) => this.options.onDeath(error.message));
    child.once('exit', (code, signal) => {
      rmSync(pidFile, { force: true });
      if (this.stopping) return;
      if (Date.now() - startedAt > STABLE_MS) this.delayMs = FIRST_RESTART_MS;
      this.options.onDeath(signal ? `was ended by ${signal}` : `ended with status ${code}: ${this.lastLogLine()}`);
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

  lastLogLine(): string {
    const { logFile } = this.options;
    if (!existsSync(logFile) || statSync(logFile).size === 0) return 'it wrote no log';
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  }
}
