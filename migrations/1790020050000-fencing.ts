import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Hosts that are lost are fenced where their cluster wants it, and VMs that were lost with them are started elsewhere. */
export class Fencing1790020050000 implements MigrationInterface {
  name = 'Fencing1790020050000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE cluster ADD COLUMN fencing jsonb NOT NULL
      DEFAULT '{"enabled":false,"graceSeconds":60,"skipIfSilentPercent":50}'`);
    await db.query('ALTER TABLE vm ADD COLUMN high_availability boolean NOT NULL DEFAULT false');
    await db.query('ALTER TABLE vm ADD COLUMN lost_at timestamptz(3)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE vm DROP COLUMN lost_at, DROP COLUMN high_availability');
    await db.query('ALTER TABLE cluster DROP COLUMN fencing');
  }
}
