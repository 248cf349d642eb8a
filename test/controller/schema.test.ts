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

test('a preset of an earlier release gets its larger cache, unless somebody has changed it', async () => {
  const policy = async () => (await db.query(`SELECT * FROM migration_policy WHERE name = 'predictive'`))[0];
  const today = await policy();
  const earlierText = 'The mildest means that ends the migration within two minutes, chosen by measurement';
  const earlier = JSON.stringify(today.convergence).replace('1024', '64');
  const upgraded = async (convergence: string, description: string) => {
    const set = `UPDATE migration_policy SET convergence = $1, description = $2 WHERE name = 'predictive'`;
    await db.query(set, [convergence, description]);
    await db.query(`DELETE FROM migrations WHERE name = 'PresetCache1790021100000'`);
    await db.runMigrations();
    return policy();
  };
  expect(await upgraded(earlier, earlierText)).toEqual(today);
  expect(await upgraded(earlier, 'ours')).toEqual({ ...today, description: 'ours' });
  const own = earlier.replace('"deadlineSeconds":120', '"deadlineSeconds":300');
  expect((await upgraded(own, earlierText)).convergence).toEqual(JSON.parse(own));
});
