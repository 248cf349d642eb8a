import type { MigrationInterface, QueryRunner } from 'typeorm';

const STATUS = ['planned', 'queued', 'preparing', 'precopy', 'switchover', 'completed', 'failed', 'cancelled'];
const POSTCOPY = ['postcopy', 'postcopy_paused'];

const OVIRT_DOWNTIME = { means: 'downtime_limit', stepsMs: [150, 200, 300, 400, 500] };
const throttle = (maximumPercent: number) => ({
  means: 'throttle',
  initialPercent: 20,
  incrementPercent: 10,
  maximumPercent,
});
const compression = (threads: number) => ({ means: 'compression', method: 'zstd', threads });
const XBZRLE = { means: 'xbzrle', cacheMiB: 64 };
const postcopy = { means: 'post_copy' };

/** Of the policies that there are. */
const GENTLE = {
  mode: 'predictive',
  means: [compression(2), XBZRLE, { means: 'downtime_limit', stepsMs: [500, 1000] }, throttle(80)],
  deadlineSeconds: 120,
};

/** Name, description, downtime limit, timeout, what is done about guests that do not converge. */
const PRESETS: [string, string, number, number, object][] = [
  [
    'minimal_downtime',
    'Minimal downtime: pauses of at most half a second and slower vCPUs; ends without a move otherwise',
    ...([100, 600, { mode: 'ordered', means: [OVIRT_DOWNTIME, throttle(99)], deadlineSeconds: 300 }] as const),
  ],
  [
    'post_copy',
    'Post-copy migration: as minimal_downtime, and the guest goes ahead of its memory if that is not enough',
    ...([100, 600, { mode: 'ordered', means: [OVIRT_DOWNTIME, postcopy], deadlineSeconds: 300 }] as const),
  ],
  [
    'suspend_workload_if_needed',
    'Suspend workload if needed: as minimal_downtime, and a pause of up to five seconds if that is not enough',
    100,
    600,
    {
      mode: 'ordered',
      means: [OVIRT_DOWNTIME, throttle(80), { means: 'suspend', maximumMs: 5000 }],
      deadlineSeconds: 300,
    },
  ],
  [
    'very_large_vms',
    'Very large VMs: several connections and compression first, longer pauses, post-copy at last',
    500,
    14_400,
    {
      mode: 'ordered',
      means: [
        { means: 'multifd', channels: 8 },
        compression(4),
        { means: 'downtime_limit', stepsMs: [1000, 2000, 5000, 10_000] },
        throttle(80),
        postcopy,
      ],
      deadlineSeconds: 7200,
    },
  ],
  [
    'predictive',
    'What costs the guest least and ends the migration within two minutes, chosen by measurement',
    300,
    600,
    {
      mode: 'predictive',
      means: [
        compression(2),
        { means: 'xbzrle', cacheMiB: 1024 },
        { means: 'downtime_limit', stepsMs: [500, 1000, 2000] },
        throttle(80),
        postcopy,
      ],
      deadlineSeconds: 120,
    },
  ],
];

/** What is done about migrations that do not converge; post-copy. */
export class Convergence1790000700000 implements MigrationInterface {
  name = 'Convergence1790000700000';

  async up(db: QueryRunner): Promise<void> {
    await allowStatuses(db, [...STATUS, ...POSTCOPY]);
    await db.query('ALTER TABLE migration_policy ADD COLUMN convergence jsonb');
    await db.query('UPDATE migration_policy SET convergence = $1', [JSON.stringify(GENTLE)]);
    await db.query('ALTER TABLE migration_policy ALTER COLUMN convergence SET NOT NULL');
    await db.query('ALTER TABLE migration ADD COLUMN convergence jsonb');
    const nothing = { mode: 'predictive', means: [], deadlineSeconds: 120 };
    await db.query('UPDATE migration SET convergence = $1', [JSON.stringify(nothing)]);
    await db.query('ALTER TABLE migration ALTER COLUMN convergence SET NOT NULL');
    await db.query(`ALTER TABLE migration ADD COLUMN decisions jsonb NOT NULL DEFAULT '[]'`);
    for (const [name, description, downtimeLimitMs, timeoutSeconds, convergence] of PRESETS)
      await db.query(
        `INSERT INTO migration_policy (name, description, downtime_limit_ms, timeout_seconds, convergence)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING`,
        [name, description, downtimeLimitMs, timeoutSeconds, JSON.stringify(convergence)],
      );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      `DELETE FROM migration_policy WHERE name = ANY ($1)
         AND NOT EXISTS (SELECT 1 FROM cluster WHERE migration_policy_id = migration_policy.id)
         AND NOT EXISTS (SELECT 1 FROM vm WHERE migration_policy_id = migration_policy.id)`,
      [PRESETS.map(([name]) => name)],
    );
    await db.query('ALTER TABLE migration DROP COLUMN decisions, DROP COLUMN convergence');
    await db.query('ALTER TABLE migration_policy DROP COLUMN convergence');
    await db.query(`UPDATE migration SET status = 'precopy' WHERE status = ANY ($1)`, [POSTCOPY]);
    await allowStatuses(db, STATUS);
  }
}

async function allowStatuses(db: QueryRunner, statuses: readonly string[]): Promise<void> {
  const list = statuses.map((status) => `'${status}'`).join(', ');
  await db.query('ALTER TABLE migration DROP CONSTRAINT migration_status_check');
  await db.query(`ALTER TABLE migration ADD CONSTRAINT migration_status_check CHECK (status IN (${list}))`);
}
