import { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDataSource } from '#database';
import type { EmbeddedPostgres } from '../../tools/postgres.js';
import { startTestPostgres } from '../postgres.js';

let postgres: EmbeddedPostgres;
let db: DataSource;

beforeAll(async () => {
  postgres = await startTestPostgres();
  const onError = (error: Error) => {
    throw error;
  };
  // Two controllers that start at once do not trip over each other.
  const [first, second] = await Promise.all([1, 2].map(() => openDataSource({ url: postgres.url, onError })));
  await second!.destroy();
  db = first!;
});

afterAll(async () => {
  await db?.destroy();
  await postgres?.stop();
});

test('migrations make exactly the tables that the entities describe', async () => {
  const { upQueries } = await db.driver.createSchemaBuilder().log();
  expect(upQueries.map(({ query }) => query)).toEqual([]);
});

test('migrations can be undone and done again', async () => {
  for (const _ of db.migrations) await db.undoLastMigration();
  const left = await db.query(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'drover'`);
  expect(left).toEqual([{ table_name: 'migrations' }]);
  await db.runMigrations();
  const { upQueries } = await db.driver.createSchemaBuilder().log();
  expect(upQueries).toEqual([]);
});
