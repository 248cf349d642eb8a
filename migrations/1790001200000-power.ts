import type { MigrationInterface, QueryRunner } from 'typeorm';

const STATUS = ['installing', 'up', 'preparing_for_maintenance', 'maintenance', 'non_responsive'];
const POWER = ['powering_off', 'powered_off', 'powering_on'];

/** Power management of hosts, and the statuses of a host that is switched off. */
export class Power1790001200000 implements MigrationInterface {
  name = 'Power1790001200000';

  async up(db: QueryRunner): Promise<void> {
    await allowStatuses(db, [...STATUS.slice(0, -1), ...POWER, ...STATUS.slice(-1)]);
    for (const statement of STATEMENTS) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE host_boot');
    await db.query('DROP TABLE host_power');
    await db.query(`UPDATE host SET status = 'maintenance' WHERE status = ANY ($1)`, [POWER]);
    await allowStatuses(db, STATUS);
  }
}

const STATEMENTS = [
  `CREATE TABLE host_power (
     host_id            uuid PRIMARY KEY REFERENCES host ON DELETE CASCADE,
     management         jsonb,
     password_encrypted bytea,
     proven_at          timestamptz(3),
     boot_seconds       double precision,
     is_parked          boolean NOT NULL DEFAULT false,
     power_since        timestamptz(3) NOT NULL DEFAULT now(),
     operation          jsonb,
     watts_at           jsonb,
     off_watts          double precision NOT NULL DEFAULT 0,
     measured_watts     double precision,
     measured_at        timestamptz(3),
     in_service_since   date
   )`,
  `CREATE TABLE host_boot (
     id      bigserial PRIMARY KEY,
     host_id uuid NOT NULL REFERENCES host ON DELETE CASCADE,
     at      timestamptz(3) NOT NULL,
     seconds double precision NOT NULL
   )`,
  'CREATE INDEX host_boot_host_id_idx ON host_boot (host_id)',
];

async function allowStatuses(db: QueryRunner, statuses: readonly string[]): Promise<void> {
  const list = statuses.map((status) => `'${status}'`).join(', ');
  await db.query('ALTER TABLE host DROP CONSTRAINT host_status_check');
  await db.query(`ALTER TABLE host ADD CONSTRAINT host_status_check CHECK (status IN (${list}))`);
}
