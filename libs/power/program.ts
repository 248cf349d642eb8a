/** One run of a program: input on stdin, no shell, bounded in time and output. */
import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { PowerError } from './power-control.js';

export interface Run {
  readonly path: string;
  readonly args?: readonly string[];
  /** Secrets go in here: arguments can be seen by everybody on the machine. */
  readonly stdin: string;
  readonly timeoutMs: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the program. */
  readonly signal?: AbortSignal | undefined;
}

export interface Output {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MAX_OUTPUT_BYTES = 256 * 1024;
/** Programs find their helpers (ipmitool, ssh) here; nothing else of the controller's environment reaches them. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Runs it to its end. Throws PowerError if it cannot be started, takes too long, or ends by a signal. */
export function run({ path, args = [], stdin, timeoutMs, env = {}, signal: stop }: Run): Promise<Output> {
  const name = basename(path);
  return new Promise((done, failed) => {
    // A process group of its own: what it has started (ssh, ipmitool) ends with it.
    const child = spawn(path, args, { env: { PATH, LC_ALL: 'C', ...env }, stdio: 'pipe', detached: true });
    const output = { stdout: '', stderr: '' };
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      endGroup(child.pid);
    }, timeoutMs);
    const abort = () => endGroup(child.pid);
    stop?.addEventListener('abort', abort);
    const settle = () => {
      clearTimeout(timer);
      stop?.removeEventListener('abort', abort);
    };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        output[stream] = (output[stream] + text).slice(-MAX_OUTPUT_BYTES);
      });
    child.stdin.on('error', () => {}); // it ended without reading; its exit code says why
    child.stdin.end(stdin);
    child.once('error', (error) => {
      settle();
      failed(new PowerError(`${name} cannot be started: ${error.message}`));
    });
    child.once('close', (exitCode, signal) => {
      settle();
      if (isLate) return failed(new PowerError(`${name} did not end within ${timeoutMs / 1000} s`));
      if (exitCode === null) return failed(new PowerError(`${name} was ended by ${signal}`));
      return done({ exitCode, ...output });
    });
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has just ended by itself
  }
}
