import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What guests say of themselves. */
export class Guest1790000200000 implements MigrationInterface {
  name = 'Guest1790000200000';

  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE vm ADD COLUMN guest jsonb');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE vm DROP COLUMN guest');
  }
}
