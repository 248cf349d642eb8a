import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const clients = [['docker', 'compose'], ['docker-compose']];
const client = clients.find(([program, ...args]) => spawnSync(program!, [...args, 'version']).status === 0);
if (!client) console.warn('skipped: the check of docker-compose.yml, because no compose client is installed');

test.skipIf(!client)('docker-compose.yml is valid', () => {
  const [program, ...args] = client!;
  const { status, stderr } = spawnSync(program!, [...args, 'config', '-q'], { cwd: root, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});
