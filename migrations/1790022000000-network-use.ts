import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What VMs' network cards carry, as measured last and smoothed. */
export class NetworkUse1790022000000 implements MigrationInterface {
  name = 'NetworkUse1790022000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(
      'ALTER TABLE vm ADD COLUMN network_used_mibps double precision, ADD COLUMN network_smoothed_mibps double precision',
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE vm DROP COLUMN network_used_mibps, DROP COLUMN network_smoothed_mibps');
  }
}
