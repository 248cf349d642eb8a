import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Maintenance policies and runs; the health of hosts; which VMs leave first. */
export class Maintenance1790001000000 implements MigrationInterface {
  name = 'Maintenance1790001000000';

  async up(db: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE maintenance_run, maintenance_policy_version, maintenance_policy');
    await db.query('ALTER TABLE vm DROP COLUMN priority');
    await db.query('ALTER TABLE host DROP COLUMN health, DROP COLUMN health_at, DROP COLUMN health_wanted');
  }
}

const PHASES = `'waiting', 'evacuating', 'acting', 'checking', 'returning', 'paused', 'done', 'failed', 'cancelled'`;

const STATEMENTS = [
  `ALTER TABLE host
     ADD COLUMN health jsonb,
     ADD COLUMN health_at timestamptz(3),
     ADD COLUMN health_wanted boolean NOT NULL DEFAULT false`,
  `ALTER TABLE vm ADD COLUMN priority integer NOT NULL DEFAULT 1
     CONSTRAINT vm_priority_check CHECK (priority > 0)`,
  `CREATE TABLE maintenance_policy (
     id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     cluster_id uuid NOT NULL REFERENCES cluster ON DELETE CASCADE,
     name       text NOT NULL,
     enabled    boolean NOT NULL,
     version    integer NOT NULL,
     definition jsonb NOT NULL,
     created_at timestamptz(3) NOT NULL DEFAULT now(),
     CONSTRAINT maintenance_policy_name_unique UNIQUE (cluster_id, name)
   )`,
  `CREATE TABLE maintenance_policy_version (
     policy_id  uuid NOT NULL REFERENCES maintenance_policy ON DELETE CASCADE,
     version    integer NOT NULL,
     changed_at timestamptz(3) NOT NULL,
     changed_by text NOT NULL,
     policy     jsonb NOT NULL,
     PRIMARY KEY (policy_id, version)
   )`,
  `CREATE TABLE maintenance_run (
     id                 uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     seq                bigserial NOT NULL,
     cluster_id         uuid NOT NULL REFERENCES cluster ON DELETE CASCADE,
     host_id            uuid NOT NULL,
     host_name          text NOT NULL,
     policy_id          uuid,
     policy_name        text,
     policy_version     integer,
     trigger            text NOT NULL,
     reason             text NOT NULL,
     rollout_id         uuid NOT NULL,
     group_number       integer NOT NULL,
     hosts_at_once      integer NOT NULL,
     phase              text NOT NULL CHECK (phase IN (${PHASES})),
     phase_since        timestamptz(3) NOT NULL,
     phase_reason       text NOT NULL DEFAULT '',
     phase_before_pause text,
     waits_for_window   boolean NOT NULL,
     window_starts_at   timestamptz(3),
     window_ends_at     timestamptz(3),
     procedure          jsonb NOT NULL,
     vms                jsonb NOT NULL DEFAULT '[]',
     command            jsonb,
     ends_as            text NOT NULL DEFAULT 'done' CHECK (ends_as IN ('done', 'cancelled')),
     timeline           jsonb NOT NULL DEFAULT '[]',
     created_at         timestamptz(3) NOT NULL DEFAULT now(),
     started_at         timestamptz(3),
     ended_at           timestamptz(3)
   )`,
  'CREATE UNIQUE INDEX maintenance_run_seq_idx ON maintenance_run (seq)',
  'CREATE INDEX maintenance_run_cluster_id_idx ON maintenance_run (cluster_id)',
  'CREATE INDEX maintenance_run_rollout_id_idx ON maintenance_run (rollout_id)',
  `CREATE UNIQUE INDEX maintenance_run_one_active ON maintenance_run (host_id)
     WHERE phase NOT IN ('done', 'failed', 'cancelled')`,
];
