import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Storage domains, disks of VMs, and where they are. */
export class Storage1790000400000 implements MigrationInterface {
  name = 'Storage1790000400000';

  async up(db: QueryRunner): Promise<void> {
    for (const statement of UP) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TRIGGER disks_follow ON vm');
    await db.query('DROP FUNCTION disks_follow()');
    await db.query('ALTER TABLE vm DROP COLUMN disks, DROP COLUMN disk_host_id, DROP COLUMN has_disks');
    await db.query('DROP TABLE storage_domain');
  }
}

const UP = [
  `CREATE TABLE storage_domain (
     id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     cluster_id uuid NOT NULL REFERENCES cluster (id),
     name       text NOT NULL,
     kind       text NOT NULL CONSTRAINT storage_domain_kind_check CHECK (kind IN ('local', 'shared')),
     path       text NOT NULL,
     created_at timestamptz(3) NOT NULL DEFAULT now(),
     CONSTRAINT storage_domain_cluster_id_name_key UNIQUE (cluster_id, name)
   )`,
  'CREATE INDEX storage_domain_cluster_id_idx ON storage_domain (cluster_id)',
  `ALTER TABLE vm
     ADD COLUMN disks jsonb NOT NULL DEFAULT '[]',
     ADD COLUMN disk_host_id uuid,
     ADD COLUMN has_disks boolean NOT NULL DEFAULT false`,
  `CREATE FUNCTION disks_follow() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     IF jsonb_array_length(NEW.disks) = 0 THEN RETURN NEW; END IF;
     IF NEW.host_id IS NOT NULL THEN NEW.disk_host_id := NEW.host_id; END IF;
     IF NEW.status = 'up' OR NEW.exit_code IS NOT NULL THEN NEW.has_disks := true; END IF;
     RETURN NEW;
   END $$`,
  'CREATE TRIGGER disks_follow BEFORE UPDATE ON vm FOR EACH ROW EXECUTE FUNCTION disks_follow()',
];
