import type { MigrationInterface, QueryRunner } from 'typeorm';

const HOST_STATUS = `'installing', 'up', 'preparing_for_maintenance', 'maintenance', 'non_responsive'`;
const VM_STATUS = `'down', 'starting', 'up', 'paused', 'migrating', 'stopping', 'unknown'`;
const MIGRATION_STATUS = `'planned', 'queued', 'preparing', 'precopy', 'switchover', 'completed', 'failed', 'cancelled'`;

/** Inventory, migrations, plans and events; the search path is the controller's own schema. */
export class Init1790000000000 implements MigrationInterface {
  name = 'Init1790000000000';

  async up(db: QueryRunner): Promise<void> {
    for (const statement of [...INVENTORY, ...HISTORY, ...TRIGGERS, ...DEFAULTS]) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    const tables = `event, plan_refusal, plan_move, plan, migration_timeline, migration_iteration, migration, vm_report, vm,
                    agent_credential, host, cluster, migration_policy, idempotency_key, setting`;
    await db.query(`DROP TABLE ${tables}`);
    await db.query('DROP FUNCTION epoch_only_grows(), notify_change()');
  }
}

const INVENTORY = [
  `CREATE TABLE setting (
     name  text PRIMARY KEY,
     value jsonb NOT NULL
   )`,
  `CREATE TABLE migration_policy (
     id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     name              text NOT NULL UNIQUE,
     description       text NOT NULL DEFAULT '',
     downtime_limit_ms integer NOT NULL CHECK (downtime_limit_ms > 0),
     bandwidth_mibps   double precision CHECK (bandwidth_mibps > 0),
     timeout_seconds   integer NOT NULL CHECK (timeout_seconds > 0),
     created_at        timestamptz(3) NOT NULL DEFAULT now()
   )`,
  `CREATE TABLE cluster (
     id                      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     name                    text NOT NULL UNIQUE,
     description             text NOT NULL DEFAULT '',
     scheduling_policy       jsonb NOT NULL,
     migration_policy_id     uuid NOT NULL REFERENCES migration_policy,
     cooldown_seconds        integer NOT NULL CHECK (cooldown_seconds >= 0),
     max_migrations_per_host integer NOT NULL CHECK (max_migrations_per_host > 0),
     created_at              timestamptz(3) NOT NULL DEFAULT now()
   )`,
  `CREATE TABLE host (
     id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     cluster_id          uuid NOT NULL REFERENCES cluster,
     name                text NOT NULL UNIQUE,
     status              text NOT NULL DEFAULT 'installing' CHECK (status IN (${HOST_STATUS})),
     status_since        timestamptz(3) NOT NULL DEFAULT now(),
     status_reason       text NOT NULL DEFAULT '',
     status_before_loss  text,
     maintenance_reason  text NOT NULL DEFAULT '',
     cpu_cores           double precision,
     memory_mib          integer,
     cpu_used_cores      double precision,
     cpu_smoothed_cores  double precision,
     over_utilized_since timestamptz(3),
     pressure            jsonb,
     agent_url           text,
     agent_version       text,
     last_heartbeat_at   timestamptz(3),
     created_at          timestamptz(3) NOT NULL DEFAULT now()
   )`,
  'CREATE INDEX host_cluster_id_idx ON host (cluster_id)',
  `CREATE TABLE agent_credential (
     host_id                uuid PRIMARY KEY REFERENCES host ON DELETE CASCADE,
     enrolment_token_sha256 text NOT NULL,
     heartbeat_token_sha256 text,
     agent_token_encrypted  bytea,
     queue_password_sha256  text,
     enrolled_at            timestamptz(3),
     created_at             timestamptz(3) NOT NULL DEFAULT now()
   )`,
  'CREATE UNIQUE INDEX agent_credential_enrolment_token_sha256_idx ON agent_credential (enrolment_token_sha256)',
  'CREATE UNIQUE INDEX agent_credential_heartbeat_token_sha256_idx ON agent_credential (heartbeat_token_sha256)',
  `CREATE TABLE vm (
     id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     cluster_id          uuid NOT NULL REFERENCES cluster,
     name                text NOT NULL UNIQUE,
     vcpus               integer NOT NULL,
     memory_mib          integer NOT NULL,
     image               text NOT NULL,
     append              text NOT NULL DEFAULT '',
     host_id             uuid REFERENCES host,
     status              text NOT NULL DEFAULT 'down' CHECK (status IN (${VM_STATUS})),
     status_since        timestamptz(3) NOT NULL DEFAULT now(),
     status_reason       text NOT NULL DEFAULT '',
     epoch               integer NOT NULL DEFAULT 0,
     last_epoch          integer NOT NULL DEFAULT 0,
     cpu_used_cores      double precision,
     cpu_smoothed_cores  double precision,
     memory_used_mib     double precision,
     dirty_rate_mibps    double precision,
     console_tail        text NOT NULL DEFAULT '',
     exit_code           integer,
     migration_policy_id uuid REFERENCES migration_policy,
     migration_count     integer NOT NULL DEFAULT 0,
     cooldown_until      timestamptz(3),
     created_at          timestamptz(3) NOT NULL DEFAULT now(),
     started_at          timestamptz(3),
     CONSTRAINT vm_epoch_check CHECK (epoch >= 0 AND epoch <= last_epoch),
     CONSTRAINT vm_host_check CHECK ((host_id IS NULL) = (status = 'down')),
     CONSTRAINT vm_size_check CHECK (vcpus > 0 AND memory_mib > 0)
   )`,
  'CREATE INDEX vm_cluster_id_idx ON vm (cluster_id)',
  'CREATE INDEX vm_host_id_idx ON vm (host_id)',
  `CREATE TABLE vm_report (
     host_id   uuid NOT NULL REFERENCES host ON DELETE CASCADE,
     vm_id     uuid NOT NULL,
     epoch     integer NOT NULL,
     status    text NOT NULL,
     exit_code integer,
     message   text NOT NULL DEFAULT '',
     since     timestamptz(3) NOT NULL,
     seen_at   timestamptz(3) NOT NULL,
     PRIMARY KEY (host_id, vm_id)
   )`,
  'CREATE INDEX vm_report_vm_id_idx ON vm_report (vm_id)',
];

const HISTORY = [
  `CREATE TABLE plan (
     id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     seq              bigserial NOT NULL,
     cluster_id       uuid NOT NULL REFERENCES cluster ON DELETE CASCADE,
     kind             text NOT NULL CHECK (kind IN ('dry_run', 'applied')),
     policy           jsonb NOT NULL,
     imbalance_before double precision NOT NULL,
     imbalance_after  double precision NOT NULL,
     summary          text NOT NULL,
     created_at       timestamptz(3) NOT NULL DEFAULT now()
   )`,
  'CREATE UNIQUE INDEX plan_seq_idx ON plan (seq)',
  'CREATE INDEX plan_cluster_id_idx ON plan (cluster_id)',
  `CREATE TABLE plan_move (
     plan_id               uuid NOT NULL REFERENCES plan ON DELETE CASCADE,
     position              integer NOT NULL,
     vm_id                 uuid NOT NULL,
     vm_name               text NOT NULL,
     source_host_id        uuid NOT NULL,
     source_host_name      text NOT NULL,
     destination_host_id   uuid NOT NULL,
     destination_host_name text NOT NULL,
     reason                text NOT NULL,
     gain                  double precision NOT NULL,
     migration_id          uuid,
     PRIMARY KEY (plan_id, position)
   )`,
  `CREATE TABLE plan_refusal (
     plan_id   uuid NOT NULL REFERENCES plan ON DELETE CASCADE,
     position  integer NOT NULL,
     vm_id     uuid NOT NULL,
     vm_name   text NOT NULL,
     host_id   uuid,
     host_name text,
     reason    text NOT NULL,
     PRIMARY KEY (plan_id, position)
   )`,
  `CREATE TABLE migration (
     id                    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     seq                   bigserial NOT NULL,
     cluster_id            uuid NOT NULL,
     vm_id                 uuid NOT NULL,
     vm_name               text NOT NULL,
     ordinal               integer NOT NULL,
     source_host_id        uuid NOT NULL,
     source_host_name      text NOT NULL,
     destination_host_id   uuid NOT NULL,
     destination_host_name text NOT NULL,
     status                text NOT NULL CHECK (status IN (${MIGRATION_STATUS})),
     status_since          timestamptz(3) NOT NULL DEFAULT now(),
     trigger               text NOT NULL CHECK (trigger IN ('policy', 'maintenance', 'manual')),
     reason                text NOT NULL,
     plan_id               uuid,
     source_epoch          integer NOT NULL,
     epoch                 integer NOT NULL,
     downtime_limit_ms     integer NOT NULL,
     bandwidth_mibps       double precision,
     timeout_seconds       integer NOT NULL,
     progress              jsonb,
     downtime_ms           double precision,
     total_ms              double precision,
     downtime_breakdown    jsonb,
     error                 jsonb,
     reported_at           timestamptz(3),
     created_at            timestamptz(3) NOT NULL DEFAULT now(),
     started_at            timestamptz(3),
     ended_at              timestamptz(3),
     CONSTRAINT migration_epoch_check CHECK (epoch > source_epoch)
   )`,
  'CREATE UNIQUE INDEX migration_seq_idx ON migration (seq)',
  'CREATE INDEX migration_vm_id_idx ON migration (vm_id)',
  'CREATE INDEX migration_source_host_id_idx ON migration (source_host_id)',
  'CREATE INDEX migration_destination_host_id_idx ON migration (destination_host_id)',
  `CREATE UNIQUE INDEX migration_one_active ON migration (vm_id)
     WHERE status NOT IN ('completed', 'failed', 'cancelled')`,
  `CREATE TABLE migration_iteration (
     migration_id         uuid NOT NULL REFERENCES migration ON DELETE CASCADE,
     iteration            integer NOT NULL,
     pages                integer NOT NULL,
     zero_pages           integer NOT NULL,
     bytes                double precision NOT NULL,
     duration_ms          double precision NOT NULL,
     bandwidth_mibps      double precision NOT NULL,
     dirty_rate_mibps     double precision NOT NULL,
     remaining_bytes      double precision NOT NULL,
     expected_downtime_ms double precision,
     PRIMARY KEY (migration_id, iteration)
   )`,
  `CREATE TABLE migration_timeline (
     id           bigserial PRIMARY KEY,
     migration_id uuid NOT NULL REFERENCES migration ON DELETE CASCADE,
     at           timestamptz(3) NOT NULL,
     status       text NOT NULL,
     message      text NOT NULL
   )`,
  'CREATE INDEX migration_timeline_migration_id_idx ON migration_timeline (migration_id)',
  `CREATE TABLE event (
     id           bigserial PRIMARY KEY,
     at           timestamptz(3) NOT NULL,
     severity     text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
     type         text NOT NULL,
     message      text NOT NULL,
     cluster_id   uuid,
     host_id      uuid,
     vm_id        uuid,
     migration_id uuid,
     plan_id      uuid
   )`,
  'CREATE INDEX event_at_idx ON event (at)',
  'CREATE INDEX event_host_id_idx ON event (host_id)',
  'CREATE INDEX event_vm_id_idx ON event (vm_id)',
  `CREATE TABLE idempotency_key (
     key                text PRIMARY KEY,
     request_sha256     text NOT NULL,
     status             integer,
     response_encrypted bytea,
     created_at         timestamptz(3) NOT NULL DEFAULT now()
   )`,
  'CREATE INDEX idempotency_key_created_at_idx ON idempotency_key (created_at)',
];

/** What people watch: each change is announced as `table operation id`, and who listens reads the row. */
const WATCHED = ['cluster', 'host', 'vm', 'migration', 'plan', 'event'];

const TRIGGERS = [
  `CREATE FUNCTION epoch_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     IF NEW.epoch < OLD.epoch OR NEW.last_epoch < OLD.last_epoch THEN
       RAISE EXCEPTION 'the epoch of VM % only grows, from % to % is not allowed', OLD.name, OLD.epoch, NEW.epoch
         USING ERRCODE = 'check_violation';
     END IF;
     RETURN NEW;
   END $$`,
  `CREATE TRIGGER epoch_only_grows BEFORE UPDATE ON vm FOR EACH ROW EXECUTE FUNCTION epoch_only_grows()`,
  `CREATE FUNCTION notify_change() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     PERFORM pg_notify('drover', format('%s %s %s', TG_TABLE_NAME, lower(TG_OP), coalesce(NEW.id, OLD.id)));
     RETURN NULL;
   END $$`,
  ...WATCHED.map(
    (table) =>
      `CREATE TRIGGER notify_change AFTER INSERT OR UPDATE OR DELETE ON ${table}
         FOR EACH ROW EXECUTE FUNCTION notify_change()`,
  ),
];

const DEFAULTS = [
  `INSERT INTO migration_policy (name, description, downtime_limit_ms, bandwidth_mibps, timeout_seconds)
   VALUES ('default', 'For clusters that name no other: as fast as the network allows', 300, NULL, 600)`,
  `INSERT INTO setting (name, value) SELECT 'defaultMigrationPolicyId', to_jsonb(id) FROM migration_policy`,
];
