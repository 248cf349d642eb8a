import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a plan does with hosts. */
export class PlanHostActions1790001310000 implements MigrationInterface {
  name = 'PlanHostActions1790001310000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE plan ADD COLUMN host_actions jsonb NOT NULL DEFAULT '[]'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE plan DROP COLUMN host_actions');
  }
}
