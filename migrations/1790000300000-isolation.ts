/** Which isolation of VMs is in force on a host. */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Isolation1790000300000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host ADD COLUMN isolation jsonb');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host DROP COLUMN isolation');
  }
}
