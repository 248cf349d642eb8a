/** A PostgreSQL of its own for a test file, thrown away afterwards. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedPostgres, startPostgres } from '../tools/postgres.js';

export interface TestPostgres extends EmbeddedPostgres {
  /** Deletes the data, unless it is to be started again. */
  stop(options?: { keep?: boolean }): Promise<void>;
}

export async function startTestPostgres(): Promise<TestPostgres> {
  const dir = mkdtempSync(join(tmpdir(), 'drover-pg-'));
  chmodSync(dir, 0o755); // when tests run as root, PostgreSQL runs as another user
  const postgres = await startPostgres({ dir, durable: false });
  return {
    ...postgres,
    stop: async ({ keep = false } = {}) => {
      await postgres.stop();
      if (!keep) rmSync(dir, { recursive: true, force: true });
    },
  };
}
