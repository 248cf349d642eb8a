import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is free in each host's folders of local storage domains. */
export class HostStorage1790021000000 implements MigrationInterface {
  name = 'HostStorage1790021000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE host ADD COLUMN storage jsonb NOT NULL DEFAULT '[]'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host DROP COLUMN storage');
  }
}
