import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Refusals about hosts; parameters that stored policies have not had so far. */
export class Scheduling1790010000000 implements MigrationInterface {
  name = 'Scheduling1790010000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE plan_refusal ALTER COLUMN vm_id DROP NOT NULL, ALTER COLUMN vm_name DROP NOT NULL');
    await db.query(`
      UPDATE cluster SET scheduling_policy = jsonb_set(scheduling_policy, '{parameters}',
        '{"HighPressure": 40, "HorizonMinutes": 30}' || (scheduling_policy->'parameters'))
      WHERE scheduling_policy->>'name' = 'evenly_distributed'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DELETE FROM plan_refusal WHERE vm_id IS NULL OR vm_name IS NULL');
    await db.query('ALTER TABLE plan_refusal ALTER COLUMN vm_id SET NOT NULL, ALTER COLUMN vm_name SET NOT NULL');
  }
}
