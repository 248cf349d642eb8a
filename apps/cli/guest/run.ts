/** Runs a program to its end. */
import { spawn } from 'node:child_process';

/** A program that could not be started, or failed; `stderr` is all that it said. */
export class CommandError extends Error {
  constructor(
    readonly command: string,
    readonly stderr: string,
    readonly isAbsent: boolean,
    status: string,
  ) {
    super(isAbsent ? `${command} was not found` : `${command} failed (${status}): ${stderr.trim().split('\n').at(-1)}`);
  }
}

export interface RunOptions {
  readonly cwd?: string;
  /** Ends the program. */
  readonly signal?: AbortSignal;
  /** Lines that it writes to file descriptor 3. */
  readonly onStatus?: (line: string) => void;
}

/** What the program wrote to standard output. Rejects with a CommandError, or with the reason of the signal. */
export function run(command: string, args: readonly string[], { cwd, signal, onStatus }: RunOptions = {}) {
  return new Promise<Buffer>((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      ...(cwd !== undefined && { cwd }),
      ...(signal && { signal }),
    });
    const output: Buffer[] = [];
    let stderr = '';
    let status = '';
    child.stdout!.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdio[3]!.on('data', (chunk: Buffer) => {
      const lines = (status + chunk.toString()).split('\n');
      status = lines.pop()!;
      for (const line of lines) onStatus?.(line);
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (signal?.aborted) reject(signal.reason as Error);
      else reject(new CommandError(command, error.message, error.code === 'ENOENT', error.message));
    });
    child.once('close', (code, killedBy) => {
      if (code === 0) resolve(Buffer.concat(output));
      else reject(new CommandError(command, stderr, false, killedBy ?? `status ${code}`));
    });
  });
}
