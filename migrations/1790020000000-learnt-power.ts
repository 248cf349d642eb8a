import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What hosts' BMCs have measured at which utilisation. */
export class LearntPower1790020000000 implements MigrationInterface {
  name = 'LearntPower1790020000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host_power ADD COLUMN watts_samples jsonb');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host_power DROP COLUMN watts_samples');
  }
}
