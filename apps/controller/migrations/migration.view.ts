import type { MigrationHop, MigrationView } from '#contracts';
import type { Migration } from '#database';

export const migrationView = (migration: Migration): MigrationView => ({
  id: migration.id,
  vmId: migration.vmId,
  vmName: migration.vmName,
  ordinal: migration.ordinal,
  sourceHostId: migration.sourceHostId,
  sourceHostName: migration.sourceHostName,
  destinationHostId: migration.destinationHostId,
  destinationHostName: migration.destinationHostName,
  status: migration.status,
  trigger: migration.trigger,
  reason: migration.reason,
  planId: migration.planId,
  epoch: migration.epoch,
  progress: migration.progress,
  downtimeMs: migration.downtimeMs,
  totalMs: migration.totalMs,
  error: migration.error,
  createdAt: migration.createdAt.toISOString(),
  startedAt: migration.startedAt?.toISOString() ?? null,
  endedAt: migration.endedAt?.toISOString() ?? null,
});

/** A VM's move, with what was done about it and by whom. */
export const migrationHop = (migration: Migration): MigrationHop => ({
  ...migrationView(migration),
  means: migration.decisions.map(({ means, value, by, at, failure }) => ({ means, value, by, at, failure })),
  versions: migration.versions,
});
