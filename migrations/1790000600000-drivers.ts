/** VMs on QEMU beside those on Drover's own VMM, and what each host has of both. */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Drivers1790000600000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE host ADD COLUMN drivers jsonb NOT NULL DEFAULT '[]'`);
    await db.query(`
      ALTER TABLE vm
        ADD COLUMN hypervisor text NOT NULL DEFAULT 'drover',
        ADD COLUMN architecture text NOT NULL DEFAULT 'riscv64',
        ADD CONSTRAINT vm_driver_check
          CHECK (hypervisor IN ('drover', 'qemu') AND architecture IN ('riscv64', 'x86_64'))`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE vm DROP COLUMN hypervisor, DROP COLUMN architecture');
    await db.query('ALTER TABLE host DROP COLUMN drivers');
  }
}
