/** Runs what maintenance asks for: executables of one folder, each once for a run. They outlive the agent. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandReport, HostJob } from '#contracts';
import { parseProcessStat } from '../host/proc.js';
import type { Log } from '../log.js';
import { JsonStore } from '../state/json-store.js';
import { CommandRecord, judgeCommand } from './command-record.js';
import { whyNotRun } from './trusted-file.js';

type CommandJob = Extract<HostJob, { kind: 'command' }>;

/** Keeps what it writes and how it ends, whoever is there to see. */
const WRAPPER =
  '"$0" "$@" >"$DROVER_OUTPUT" 2>&1 </dev/null; echo $? >"$DROVER_STATUS.new"; mv "$DROVER_STATUS.new" "$DROVER_STATUS"';
const LOOK_MS = 500;
const OUTPUT_BYTES = 2000;
const KEPT_MS = 86_400_000;

export class Commands {
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly folder: string,
    private readonly store: JsonStore<CommandRecord>,
    private readonly programs: string,
    private readonly onEnd: () => void,
    private readonly log: Log,
  ) {}

  /** `folder`: its records; `programs`: what may be run; `onEnd`: told when one has ended. */
  static open(folder: string, programs: string, onEnd: () => void, log: Log): Commands {
    const store = JsonStore.open(folder, CommandRecord, (file, reason) =>
      log.error({ file, reason }, 'a record cannot be read and was set aside'),
    );
    const commands = new Commands(folder, store, programs, onEnd, log);
    commands.watch();
    return commands;
  }

  /** Starts it, unless this run's is known. What is in the way is reported, not thrown. */
  async begin({ runId, name, arguments: args, timeoutSeconds, restarts }: CommandJob): Promise<void> {
    if (this.store.get(runId)) return;
    const path = join(this.programs, name);
    const refusal = await whyNotRun(path);
    if (this.store.get(runId)) return; // the order has come twice
    const record: CommandRecord = {
      ...{ runId, name, arguments: args, timeoutSeconds, restarts },
      ...{ beganMs: Date.now(), bootId: bootId(), process: null, exitCode: null, isTold: false },
      status: refusal === null ? 'running' : 'failed',
      output: refusal ?? '',
    };
    this.store.put(runId, record); // before it is started: whatever happens then, it is not started twice
    if (refusal !== null) return;
    const env = {
      ...process.env,
      DROVER_RUN_ID: runId,
      DROVER_OUTPUT: this.file(runId, 'output'),
      DROVER_STATUS: this.file(runId, 'status'),
    };
    const child = spawn('/bin/sh', ['-c', WRAPPER, path, ...args], { env, cwd: '/', stdio: 'ignore', detached: true });
    child.once('error', (error) => this.store.put(runId, { ...record, status: 'failed', output: error.message }));
    child.unref();
    const started = child.pid === undefined ? null : startTimeOf(child.pid);
    if (child.pid !== undefined && started !== null)
      this.store.put(runId, { ...record, process: { pid: child.pid, startTime: started } });
    this.log.info({ runId, name, arguments: args }, 'maintenance command begun');
    this.watch();
  }

  /** Of all whose end the controller does not know. */
  reports(): CommandReport[] {
    return this.store
      .all()
      .filter(({ isTold }) => !isTold)
      .map(({ runId, status, exitCode, output }) => ({ runId, status, exitCode, output }));
  }

  /** The controller knows its end. */
  forget(runId: string): void {
    const record = this.store.get(runId);
    if (record && record.status !== 'running') this.store.put(runId, { ...record, isTold: true });
  }

  close(): void {
    clearInterval(this.timer);
  }

  private watch(): void {
    clearInterval(this.timer);
    this.look();
    const running = () => this.store.all().some(({ status }) => status === 'running');
    if (!running()) return;
    this.timer = setInterval(() => {
      this.look();
      if (!running()) clearInterval(this.timer);
    }, LOOK_MS);
    this.timer.unref();
  }

  private look(): void {
    const nowMs = Date.now();
    for (const record of this.store.all()) {
      if (record.status === 'running') this.follow(record, nowMs);
      else if (record.isTold && nowMs - record.beganMs > KEPT_MS) this.remove(record.runId);
    }
  }

  private follow(record: CommandRecord, nowMs: number): void {
    const { runId, process: ran } = record;
    const isSameBoot = record.bootId === bootId();
    const isAlive = isSameBoot && ran !== null && startTimeOf(ran.pid) === ran.startTime;
    const verdict = judgeCommand(record, { isAlive, exitCode: this.exitCode(runId), isSameBoot, nowMs });
    if (verdict.status === 'running') return;
    if (verdict.status === 'too_long') {
      this.log.warn({ runId, timeoutSeconds: record.timeoutSeconds }, 'maintenance command takes too long; ending it');
      process.kill(-ran!.pid, 'SIGKILL'); // it leads a group of its own
      return;
    }
    const { status, exitCode, note } = verdict;
    const late = nowMs - record.beganMs > record.timeoutSeconds * 1000 && status === 'failed';
    const why = late ? `it has not ended within ${record.timeoutSeconds} s` : note;
    const output = [this.tail(runId), why].filter((text) => text !== '').join('\n');
    this.store.put(runId, { ...record, status, exitCode, output });
    this.log.info({ runId, status, exitCode }, 'maintenance command ended');
    this.onEnd();
  }

  private exitCode(runId: string): number | null {
    try {
      return Number(readFileSync(this.file(runId, 'status'), 'utf8'));
    } catch {
      return null; // it has not ended
    }
  }

  private tail(runId: string): string {
    try {
      const { size } = statSync(this.file(runId, 'output'));
      const file = openSync(this.file(runId, 'output'), 'r');
      const buffer = Buffer.alloc(Math.min(size, OUTPUT_BYTES));
      readSync(file, buffer, 0, buffer.length, size - buffer.length);
      closeSync(file);
      return buffer.toString().trim();
    } catch {
      return ''; // it was not started
    }
  }

  private remove(runId: string): void {
    for (const kind of ['output', 'status']) rmSync(this.file(runId, kind), { force: true });
    this.store.remove(runId);
  }

  private file(runId: string, kind: string): string {
    return join(this.folder, `${runId}.${kind}`);
  }
}

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

/** Of the process of that number; null if there is none. A zombie has ended. */
function startTimeOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const state = stat.slice(stat.lastIndexOf(')') + 2)[0];
    return state === 'Z' ? null : parseProcessStat(stat).startTime;
  } catch {
    return null;
  }
}
