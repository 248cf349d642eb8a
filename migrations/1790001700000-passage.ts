import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How migrations get to their destinations: encryption, tunnels, and a share of the link. */
export class Passage1790001700000 implements MigrationInterface {
  name = 'Passage1790001700000';

  async up(db: QueryRunner): Promise<void> {
    for (const table of ['migration_policy', 'migration']) {
      await db.query(
        `ALTER TABLE ${table}
           ADD COLUMN encryption text NOT NULL DEFAULT 'auto'
             CONSTRAINT ${table}_encryption_check CHECK (encryption IN ('auto', 'always', 'never')),
           ADD COLUMN tunnelled boolean NOT NULL DEFAULT false,
           ADD COLUMN bandwidth_share_percent integer
             CONSTRAINT ${table}_bandwidth_share_percent_check CHECK (bandwidth_share_percent BETWEEN 1 AND 100)`,
      );
    }
  }

  async down(db: QueryRunner): Promise<void> {
    for (const table of ['migration_policy', 'migration']) {
      await db.query(
        `ALTER TABLE ${table} DROP COLUMN encryption, DROP COLUMN tunnelled, DROP COLUMN bandwidth_share_percent`,
      );
    }
  }
}
