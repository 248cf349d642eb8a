import type { MigrationInterface, QueryRunner } from 'typeorm';

const OLD = `'waiting', 'evacuating', 'acting', 'checking', 'returning', 'paused', 'done', 'failed', 'cancelled'`;
const NEW = `'waiting', 'evacuating', 'acting', 'checking', 'returning', 'paused', 'done', 'failed', 'skipped', 'cancelled'`;
const FIELDS = `'{"blockedWaitMinutes":30,"stopRolloutOn":"failed"}'::jsonb`;

/** A host whose VMs cannot leave is skipped, and the rest of its rollout goes on or not. */
export class SkippedHosts1790023000000 implements MigrationInterface {
  name = 'SkippedHosts1790023000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE maintenance_run ADD COLUMN held_since timestamptz(3)');
    await allowPhases(db, NEW, `'done', 'failed', 'skipped', 'cancelled'`);
    await db.query(`UPDATE maintenance_run SET procedure = ${FIELDS} || procedure`);
    await db.query(`UPDATE maintenance_policy SET definition = ${FIELDS} || definition`);
    await db.query(`UPDATE policy_version SET policy = ${FIELDS} || policy WHERE policy ? 'onBlocked'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`UPDATE maintenance_run SET phase = 'cancelled' WHERE phase = 'skipped'`);
    await allowPhases(db, OLD, `'done', 'failed', 'cancelled'`);
    await db.query('ALTER TABLE maintenance_run DROP COLUMN held_since');
    for (const [table, column] of [
      ['maintenance_run', 'procedure'],
      ['maintenance_policy', 'definition'],
      ['policy_version', 'policy'],
    ])
      await db.query(`UPDATE ${table} SET ${column} = ${column} - 'blockedWaitMinutes' - 'stopRolloutOn'`);
  }
}

async function allowPhases(db: QueryRunner, all: string, ended: string): Promise<void> {
  await db.query('ALTER TABLE maintenance_run DROP CONSTRAINT maintenance_run_phase_check');
  await db.query(`ALTER TABLE maintenance_run ADD CONSTRAINT maintenance_run_phase_check CHECK (phase IN (${all}))`);
  await db.query('DROP INDEX maintenance_run_one_active');
  await db.query(
    `CREATE UNIQUE INDEX maintenance_run_one_active ON maintenance_run (host_id) WHERE phase NOT IN (${ended})`,
  );
}
