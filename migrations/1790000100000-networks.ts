import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Network cards of VMs, and where the switches of hosts wait for each other. */
export class Networks1790000100000 implements MigrationInterface {
  name = 'Networks1790000100000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE vm ADD COLUMN nics jsonb NOT NULL DEFAULT '[]'`);
    await db.query('ALTER TABLE host ADD COLUMN tunnel_address text');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host DROP COLUMN tunnel_address');
    await db.query('ALTER TABLE vm DROP COLUMN nics');
  }
}
