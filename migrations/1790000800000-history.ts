import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who carried a migration out, and what they had to say of it; what moving a VM would take. */
export class History1790000800000 implements MigrationInterface {
  name = 'History1790000800000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE migration ADD COLUMN versions jsonb, ADD COLUMN log jsonb NOT NULL DEFAULT '[]'`);
    await db.query('ALTER TABLE vm ADD COLUMN migration_prediction jsonb');
    await db.query('CREATE INDEX event_migration_id_idx ON event (migration_id)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP INDEX event_migration_id_idx');
    await db.query('ALTER TABLE vm DROP COLUMN migration_prediction');
    await db.query('ALTER TABLE migration DROP COLUMN log, DROP COLUMN versions');
  }
}
