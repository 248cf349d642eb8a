import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Load of clusters over time, to forecast it; energy of hosts by day. */
export class Energy1790001300000 implements MigrationInterface {
  name = 'Energy1790001300000';

  async up(db: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host_power DROP COLUMN accounted_at');
    await db.query('DROP TABLE host_energy');
    await db.query('DROP TABLE cluster_load');
  }
}

const STATEMENTS = [
  `CREATE TABLE cluster_load (
     cluster_id uuid NOT NULL REFERENCES cluster ON DELETE CASCADE,
     slot       timestamptz(3) NOT NULL,
     cores      double precision NOT NULL,
     samples    integer NOT NULL,
     PRIMARY KEY (cluster_id, slot)
   )`,
  `CREATE TABLE host_energy (
     host_id         uuid NOT NULL,
     day             date NOT NULL,
     cluster_id      uuid NOT NULL,
     host_name       text NOT NULL,
     used_joules     double precision NOT NULL,
     saved_joules    double precision NOT NULL,
     measured_joules double precision NOT NULL,
     on_seconds      double precision NOT NULL,
     off_seconds     double precision NOT NULL,
     PRIMARY KEY (host_id, day)
   )`,
  'CREATE INDEX host_energy_day_idx ON host_energy (day)',
  'ALTER TABLE host_power ADD COLUMN accounted_at timestamptz(3)',
];
