import type { Means, MigrationStep } from '#contracts';

/** What a controller tells an agent to do about a migration, for tests. `restart`: by beginning it anew. */
export const step = (
  migrationId: string,
  number: number,
  means: Means,
  value: number | null = null,
  restart = false,
): MigrationStep => ({
  ...{ migrationId, number, means, value, restart, reason: 'for a test' },
  figures: {
    ...{ elapsedMs: 1, leftMs: 1, remainingBytes: 1, bandwidthMiBps: null, dirtyRateMiBps: null },
    ...{ expectedTotalMs: null, expectedDowntimeMs: null, candidates: [] },
  },
});
