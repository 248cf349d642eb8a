import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The preset as databases of earlier releases have it, and how new ones get it. */
const predictive = (cacheMiB: number) =>
  JSON.stringify({
    mode: 'predictive',
    means: [
      { means: 'compression', method: 'zstd', threads: 2 },
      { means: 'xbzrle', cacheMiB },
      { means: 'downtime_limit', stepsMs: [500, 1000, 2000] },
      { means: 'throttle', initialPercent: 20, incrementPercent: 10, maximumPercent: 80 },
      { means: 'post_copy' },
    ],
    deadlineSeconds: 120,
  });

/** The preset `predictive` lets XBZRLE have a larger cache, where nobody has changed what it does. */
export class PresetCache1790021100000 implements MigrationInterface {
  name = 'PresetCache1790021100000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(
      `UPDATE migration_policy
          SET convergence = $2,
              description = CASE description WHEN $3 THEN $4 ELSE description END
        WHERE name = 'predictive' AND convergence = $1::jsonb`,
      [
        predictive(64),
        predictive(1024),
        'The mildest means that ends the migration within two minutes, chosen by measurement',
        'What costs the guest least and ends the migration within two minutes, chosen by measurement',
      ],
    );
  }

  /** A larger limit harms nobody: nothing to undo. */
  async down(): Promise<void> {}
}
