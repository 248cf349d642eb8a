import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Devices of hosts that guests may have, and why a VM could not be migrated. */
export class HostDevices1790001600001 implements MigrationInterface {
  name = 'HostDevices1790001600001';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE host ADD COLUMN host_devices jsonb NOT NULL DEFAULT '[]'`);
    await db.query('ALTER TABLE vm ADD COLUMN migration_obstacle text');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE vm DROP COLUMN migration_obstacle');
    await db.query('ALTER TABLE host DROP COLUMN host_devices');
  }
}
