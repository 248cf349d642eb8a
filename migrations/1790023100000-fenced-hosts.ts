import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Hosts that were fenced are switched on again, and so many are fenced in one moment. */
export class FencedHosts1790023100000 implements MigrationInterface {
  name = 'FencedHosts1790023100000';

  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host_power ADD COLUMN fenced_at timestamptz(3)');
    await db.query(`ALTER TABLE cluster ALTER COLUMN fencing
      SET DEFAULT '{"enabled":false,"graceSeconds":60,"skipIfSilentPercent":50,"hostsAtOnce":1,"restart":true}'`);
    await db.query(`UPDATE cluster SET fencing = '{"hostsAtOnce":1,"restart":true}'::jsonb || fencing`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`UPDATE cluster SET fencing = fencing - 'hostsAtOnce' - 'restart'`);
    await db.query(`ALTER TABLE cluster ALTER COLUMN fencing
      SET DEFAULT '{"enabled":false,"graceSeconds":60,"skipIfSilentPercent":50}'`);
    await db.query('ALTER TABLE host_power DROP COLUMN fenced_at');
  }
}
