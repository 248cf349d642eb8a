import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../apps/controller/config.js';
import { freePort } from '../../tools/postgres.js';
import { startTestPostgres } from '../postgres.js';
import { startController } from './api.js';

let dir: string;
const env = (more: Record<string, string> = {}) => ({
  DATABASE_URL: 'postgres://u:p@127.0.0.1:5432/drover',
  DROVER_ADMIN_TOKEN_FILE: join(dir, 'a', 'token'),
  DROVER_SECRET_FILE: join(dir, 'secret'),
  ...more,
});

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'drover-config-'));
});

afterAll(() => {
  rmSync(dir, { recursive: true });
});

test('has defaults, and makes the files that are missing for their owner alone', () => {
  const config = readConfig(env());
  expect(config).toMatchObject({ bind: '127.0.0.1', port: 7410, policyIntervalMs: 10_000, logLevel: 'info' });
  expect(config.secret).toHaveLength(32);
  for (const file of ['a/token', 'secret']) expect(statSync(join(dir, file)).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(dir, 'a', 'token'), 'utf8').trim()).toBe(config.adminToken);
  expect(readConfig(env()).secret).toEqual(config.secret);
});

test.each([
  ['DATABASE_URL', ''],
  ['DATABASE_URL', 'mysql://x'],
  ['DATABASE_URL', 'nonsense'],
  ['REDIS_URL', 'http://x'],
  ['DROVER_PORT', '70000'],
  ['DROVER_PORT', '1.5'],
  ['DROVER_POLICY_INTERVAL_SECONDS', 'often'],
  ['DROVER_LOOP_SECONDS', '0'],
  ['DROVER_HOST_TIMEOUT_SECONDS', '0'],
  ['DROVER_LOG_LEVEL', 'loud'],
  ['DROVER_PORTAL_DIR', '/nowhere'],
  ['DROVER_ADMIN_TOKEN_FILE', '/proc/token'],
  ['DROVER_SECRET_FILE', '/dev/null'],
])('%s = "%s" is refused by name', (name, value) => {
  expect(() => readConfig(env({ [name]: value }))).toThrow(new RegExp(`^${name}.*;`));
});

test('a token that is too short is refused', () => {
  const file = join(dir, 'short');
  writeFileSync(file, 'abc\n');
  expect(() => readConfig(env({ DROVER_ADMIN_TOKEN_FILE: file }))).toThrow(/DROVER_ADMIN_TOKEN_FILE.*16 characters/);
});

test('servers that are away and a port that is taken get a sentence', async () => {
  const nobody = `127.0.0.1:${await freePort()}`;
  await expect(startController(`postgres://u:p@${nobody}/x`)).rejects.toThrow(/DATABASE_URL .* start it, or correct/);
  const postgres = await startTestPostgres();
  await expect(startController(postgres.url, `redis://${nobody}`)).rejects.toThrow(/REDIS_URL .* start it, or correct/);
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { port: number };
  await expect(startController(postgres.url, undefined, { port })).rejects.toThrow(/is taken; set DROVER_PORT/);
  await expect(startController(postgres.url, undefined, { bind: '192.0.2.1' })).rejects.toThrow(/DROVER_BIND/);
  taken.close();
  await postgres.stop();
});
