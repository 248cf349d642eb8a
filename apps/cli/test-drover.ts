/** For tests: `drover` as a process, against the tests' controller. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { run } from './run.js';
import { open, seen, server, TOKEN } from './test-controller.js';

const main = join(import.meta.dirname, '..', '..', 'dist', 'apps', 'cli', 'main.js');
export const cwd = mkdtempSync(join(tmpdir(), 'drover-cli-'));
export let url = '';
const running = new Set<ChildProcess>();

export async function begin(): Promise<void> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
/** After each test. */
export function tidy(): void {
  for (const child of running) child.kill();
  for (const response of open.splice(0)) response.destroy();
  seen.length = 0;
}
export function end(): void {
  server.close();
  rmSync(cwd, { recursive: true });
}

/** A `drover` that runs, with what it has said so far. */
export function start(args: string[], env: NodeJS.ProcessEnv = { DROVER_URL: url, DROVER_TOKEN: TOKEN }) {
  const child = spawn(process.execPath, [main, ...args], { cwd, env: { PATH: process.env.PATH, ...env } });
  running.add(child);
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
  const code = new Promise<number | null>((done) => {
    child.once('close', (status) => {
      running.delete(child);
      done(status);
    });
  });
  return { child, said, code };
}

/** The same command line in this process, which is quicker: what it says, and its exit code. One at a time. */
export async function drover(...args: string[]) {
  const said = { stdout: '', stderr: '' };
  const into = (name: keyof typeof said, ending: string) => (text: unknown) => {
    said[name] += `${String(text)}${ending}`;
    return true;
  };
  vi.stubEnv('DROVER_URL', url);
  vi.stubEnv('DROVER_TOKEN', TOKEN);
  const heard = [
    vi.spyOn(console, 'log').mockImplementation(into('stdout', '\n')),
    vi.spyOn(console, 'error').mockImplementation(into('stderr', '\n')),
    vi.spyOn(process.stdout, 'write').mockImplementation(into('stdout', '')),
    vi.spyOn(process.stderr, 'write').mockImplementation(into('stderr', '')),
  ];
  try {
    return { code: await run(args), ...said };
  } finally {
    for (const spy of heard) spy.mockRestore();
    vi.unstubAllEnvs();
  }
}

/** What it was told to change, in order. */
export const posted = () => seen.filter(({ method }) => method !== 'GET').map(({ body }) => body);
