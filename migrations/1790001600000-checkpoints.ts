import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Memory of VMs that left a host, kept there for their return. */
export class Checkpoints1790001600000 implements MigrationInterface {
  name = 'Checkpoints1790001600000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(
      `ALTER TABLE cluster ADD COLUMN checkpoint_limit_mib integer NOT NULL DEFAULT 4096,
         ADD CONSTRAINT cluster_checkpoint_limit_mib_check CHECK (checkpoint_limit_mib >= 0)`,
    );
    await db.query('ALTER TABLE migration_policy ADD COLUMN keep_checkpoints boolean NOT NULL DEFAULT true');
    await db.query('ALTER TABLE migration ADD COLUMN checkpoint_limit_mib integer NOT NULL DEFAULT 0');
    await db.query(`ALTER TABLE host ADD COLUMN checkpoints jsonb NOT NULL DEFAULT '[]'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host DROP COLUMN checkpoints');
    await db.query('ALTER TABLE migration DROP COLUMN checkpoint_limit_mib');
    await db.query('ALTER TABLE migration_policy DROP COLUMN keep_checkpoints');
    await db.query('ALTER TABLE cluster DROP COLUMN checkpoint_limit_mib');
  }
}
