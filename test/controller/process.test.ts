/** The controller as a process: its one line on standard error when it cannot start, its log, its end. Needs a build. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../../tools/postgres.js';
import { startTestPostgres, type TestPostgres } from '../postgres.js';

let postgres: TestPostgres;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'drover-controller-'));
  postgres = await startTestPostgres();
});

afterAll(async () => {
  await postgres?.stop();
  rmSync(dir, { recursive: true });
});

function start(env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, ['dist/apps/controller/main.js'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      DROVER_ADMIN_TOKEN_FILE: join(dir, 'token'),
      DROVER_SECRET_FILE: join(dir, 'secret'),
      ...env,
    },
  });
}

test('a wrong setting ends it with one sentence', async () => {
  const controller = start({ DATABASE_URL: 'http://x' });
  const [output, [code]] = await Promise.all([text(controller.stderr!), once(controller, 'exit')]);
  expect(code).toBe(1);
  expect(output).toMatch(/^drover controller: DATABASE_URL .*\.\n$/);
});

test('it runs, does not start twice on one port, survives its queue connection, and stops in order', async () => {
  const port = String(await freePort());
  const controller = start({ DATABASE_URL: postgres.url, DROVER_PORT: port });
  const log = text(controller.stdout!);
  const health = () => fetch(`http://127.0.0.1:${port}/api/v1/health`);
  await vi.waitFor(async () => expect((await health()).status).toBe(200), { timeout: 90_000, interval: 100 });

  const second = start({ DATABASE_URL: postgres.url, DROVER_PORT: port });
  const [output, [code]] = await Promise.all([text(second.stderr!), once(second, 'exit')]);
  expect(code).toBe(1);
  expect(output).toMatch(/port \d+ on 127\.0\.0\.1 is taken; set DROVER_PORT/);

  await postgres.stop({ keep: true });
  await vi.waitFor(async () => expect((await health()).status).toBe(503), { timeout: 90_000, interval: 100 });
  await postgres.ensureRunning();
  await vi.waitFor(async () => expect((await health()).status).toBe(200), { timeout: 90_000, interval: 100 });

  controller.kill('SIGTERM');
  const [status] = await once(controller, 'exit');
  expect(status).toBe(0);
  const lines = (await log).trim().split('\n');
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ service: 'controller', time: expect.any(String) });
  expect(await log).not.toContain(new URL(postgres.url).password);
});
