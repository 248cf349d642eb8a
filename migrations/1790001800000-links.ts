import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What hosts' links carry. */
export class Links1790001800000 implements MigrationInterface {
  name = 'Links1790001800000';

  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host ADD COLUMN link_mibps double precision');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host DROP COLUMN link_mibps');
  }
}
