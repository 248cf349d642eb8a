import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When the newest heartbeat of a host was sent, so that all controllers of a database know which of two is older. */
export class HeartbeatOrder1790020200000 implements MigrationInterface {
  name = 'HeartbeatOrder1790020200000';

  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host ADD COLUMN heartbeat_sent_at timestamptz(3)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE host DROP COLUMN heartbeat_sent_at');
  }
}
