import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Plans whose moves wait for each other or for approval, and how far each of them is. */
export class PlanMoves1790001400000 implements MigrationInterface {
  name = 'PlanMoves1790001400000';

  async up(db: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DELETE FROM plan WHERE kind = 'proposed'`);
    await db.query(`ALTER TABLE plan_move DROP COLUMN kind, DROP COLUMN benefit, DROP COLUMN cost, DROP COLUMN waits_for,
      DROP COLUMN state, DROP COLUMN state_reason, DROP COLUMN decided_by`);
    await db.query(`ALTER TABLE plan DROP CONSTRAINT plan_kind_check, DROP COLUMN status, DROP COLUMN status_reason,
      DROP COLUMN ended_at, ADD CONSTRAINT plan_kind_check CHECK (kind IN ('dry_run', 'applied'))`);
    await db.query('ALTER TABLE cluster DROP COLUMN plan_mode');
  }
}

const PLAN_STATUS = `'waiting', 'recommended', 'running', 'completed', 'rejected', 'expired'`;
const MOVE_KIND = `'evacuation', 'make_room', 'affinity', 'balance', 'exchange', 'power_saving'`;
const MOVE_STATE = `'proposed', 'approved', 'rejected', 'started', 'completed', 'failed', 'dropped'`;

const STATEMENTS = [
  `ALTER TABLE cluster ADD COLUMN plan_mode text NOT NULL DEFAULT 'automatic'
     CONSTRAINT cluster_plan_mode_check CHECK (plan_mode IN ('automatic', 'partially_automated', 'manual'))`,
  `ALTER TABLE plan
     DROP CONSTRAINT plan_kind_check,
     ADD CONSTRAINT plan_kind_check CHECK (kind IN ('dry_run', 'proposed', 'applied')),
     ADD COLUMN status text CONSTRAINT plan_status_check CHECK (status IN (${PLAN_STATUS})),
     ADD COLUMN status_reason text NOT NULL DEFAULT '',
     ADD COLUMN ended_at timestamptz(3)`,
  `ALTER TABLE plan_move
     ADD COLUMN kind text NOT NULL DEFAULT 'balance'
       CONSTRAINT plan_move_kind_check CHECK (kind IN (${MOVE_KIND})),
     ADD COLUMN benefit double precision,
     ADD COLUMN cost jsonb,
     ADD COLUMN waits_for jsonb NOT NULL DEFAULT '[]',
     ADD COLUMN state text NOT NULL DEFAULT 'proposed'
       CONSTRAINT plan_move_state_check CHECK (state IN (${MOVE_STATE})),
     ADD COLUMN state_reason text NOT NULL DEFAULT '',
     ADD COLUMN decided_by text`,
  // What there was before: moves of plans that were carried out have begun, and are no business of theirs any more.
  `UPDATE plan SET status = 'completed', ended_at = created_at WHERE kind = 'applied'`,
  `UPDATE plan_move SET state = CASE WHEN migration_id IS NULL THEN 'dropped' ELSE 'completed' END
     FROM plan WHERE plan.id = plan_id AND plan.kind = 'applied'`,
  `UPDATE plan_move SET kind = 'evacuation' WHERE gain = 0`,
  'ALTER TABLE plan_move ALTER COLUMN kind DROP DEFAULT, ALTER COLUMN state DROP DEFAULT',
];
