import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Affinity groups, labels, a reservation for failing hosts, and what VMs have done of late. */
export class Affinity1790010100000 implements MigrationInterface {
  name = 'Affinity1790010100000';

  async up(db: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE affinity_group');
    await db.query(
      'ALTER TABLE vm DROP COLUMN labels, DROP COLUMN placement, DROP COLUMN load_history, DROP COLUMN load_observed_at, DROP COLUMN recent_moves',
    );
    await db.query('ALTER TABLE host DROP COLUMN labels');
    await db.query('ALTER TABLE cluster DROP COLUMN ha_reservation');
  }
}

const STATEMENTS = [
  `ALTER TABLE cluster ADD COLUMN ha_reservation integer NOT NULL DEFAULT 0
     CONSTRAINT cluster_ha_reservation_check CHECK (ha_reservation >= 0)`,
  `ALTER TABLE host ADD COLUMN labels jsonb NOT NULL DEFAULT '[]'`,
  `ALTER TABLE vm
     ADD COLUMN labels jsonb NOT NULL DEFAULT '[]',
     ADD COLUMN placement text NOT NULL DEFAULT 'migratable'
       CONSTRAINT vm_placement_check CHECK (placement IN ('migratable', 'user_migratable', 'pinned')),
     ADD COLUMN load_history jsonb,
     ADD COLUMN load_observed_at timestamptz(3),
     ADD COLUMN recent_moves jsonb NOT NULL DEFAULT '[]'`,
  `CREATE TABLE affinity_group (
     id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     cluster_id  uuid NOT NULL REFERENCES cluster ON DELETE CASCADE,
     name        text NOT NULL,
     description text NOT NULL DEFAULT '',
     priority    double precision NOT NULL,
     vms_rule    jsonb NOT NULL,
     hosts_rule  jsonb NOT NULL,
     vm_ids      jsonb NOT NULL,
     vm_labels   jsonb NOT NULL,
     host_ids    jsonb NOT NULL,
     host_labels jsonb NOT NULL,
     created_at  timestamptz(3) NOT NULL DEFAULT now(),
     CONSTRAINT affinity_group_name_unique UNIQUE (cluster_id, name)
   )`,
];
