/** A PostgreSQL of its own for a test file, thrown away afterwards. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedPostgres, startPostgres } from '../tools/postgres.js';

export async function startTestPostgres(): Promise<EmbeddedPostgres> {
  const dir = mkdtempSync(join(tmpdir(), 'drover-pg-'));
  chmodSync(dir, 0o755); // when tests run as root, PostgreSQL runs as another user
  const postgres = await startPostgres({ dir, durable: false });
  return {
    ...postgres,
    stop: async () => {
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
