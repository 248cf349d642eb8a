import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Policies by time of day, and what policies have been before. */
export class PolicyVersions1790001500000 implements MigrationInterface {
  name = 'PolicyVersions1790001500000';

  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE cluster ADD COLUMN policy_schedule jsonb, ADD COLUMN open_window integer');
    await db.query(`CREATE TABLE policy_version (
      subject_id uuid NOT NULL,
      version    integer NOT NULL,
      policy     jsonb NOT NULL,
      changed_by text NOT NULL,
      changed_at timestamptz(3) NOT NULL,
      PRIMARY KEY (subject_id, version)
    )`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE policy_version');
    await db.query('ALTER TABLE cluster DROP COLUMN policy_schedule, DROP COLUMN open_window');
  }
}
