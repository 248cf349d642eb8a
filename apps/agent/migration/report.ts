/** From what the source's process says of a migration to what the controller is told: pure. */
import type { MigrationError, MigrationReport } from '#contracts';
import type { MirrorFigures, OutgoingFigures } from '#hypervisor';
import { MIGRATION_TRANSITIONS, allows } from '#lifecycle';
import { diskFigures } from './disk-departure.js';
import type { MigrationRecord } from './migration-record.js';
import type { SourceMigration } from './next-step.js';

/** What the process says about the migration of that id; it may still tell of an earlier one. */
export function sourceMigration(figures: OutgoingFigures | null, migrationId: string): SourceMigration {
  if (!figures || (figures.migrationId !== null && figures.migrationId !== migrationId)) return { status: 'none' };
  const { status, isConfirmed, error } = figures;
  switch (status) {
    case 'completed':
      return { status, isConfirmed: isConfirmed === true };
    case 'failed':
      return { status, code: error?.code ?? 'failed', message: error?.message ?? 'the migration failed' };
    default:
      return { status };
  }
}

/** How QEMU's statuses are told. The end is told when the agent has seen to it, so the last three change nothing. */
const STATUSES: Record<OutgoingFigures['status'], MigrationReport['status'] | null> = {
  setup: 'preparing',
  active: 'precopy',
  device: 'switchover',
  postcopy: 'postcopy',
  postcopy_paused: 'postcopy_paused',
  completed: 'switchover',
  cancelling: null,
  cancelled: null,
  failed: null,
};

/** The report with the process's latest figures. */
export function withFigures(report: MigrationReport, figures: OutgoingFigures): MigrationReport {
  const { totalBytes, transferredBytes, remainingBytes, iteration } = figures;
  const { savedPages, xbzrle, compression, multifdBytes } = figures;
  const { bandwidthMiBps, dirtyRateMiBps, expectedDowntimeMs, iterations, downtimeMs, totalMs, downtimeParts } =
    figures;
  const sent = { totalBytes, transferredBytes, remainingBytes, iteration };
  const smaller = { savedPages, xbzrle, compression, multifdBytes };
  const rates = { bandwidthMiBps, dirtyRateMiBps, expectedDowntimeMs };
  return {
    ...withStatus(report, STATUSES[figures.status] ?? report.status),
    progress: { ...report.progress, ...sent, ...smaller, ...rates },
    iterations: [...iterations],
    downtimeMs,
    totalMs,
    downtimeBreakdown: downtimeParts,
  };
}

/** The report while disks are copied, before any memory is sent or beside it. */
export function withDisks(
  report: MigrationReport,
  memoryMiB: number,
  mirrors: readonly MirrorFigures[],
): MigrationReport {
  const totalBytes = memoryMiB * 2 ** 20;
  const nothingSent = { totalBytes, transferredBytes: 0, remainingBytes: totalBytes, iteration: 0 };
  const noRates = { bandwidthMiBps: 0, dirtyRateMiBps: 0, expectedDowntimeMs: null };
  const progress = { ...nothingSent, ...noRates, ...report.progress, disks: diskFigures(mirrors) };
  return { ...withStatus(report, 'precopy'), progress };
}

/** The report with that status, unless it has gone further already: heartbeats may come late, but never go back. */
const withStatus = (report: MigrationReport, status: MigrationReport['status']): MigrationReport =>
  allows(MIGRATION_TRANSITIONS, report.status, status) ? { ...report, status } : report;

/** The last report of a migration whose VM stays. */
export function stayedReport({ report, error, cancel }: MigrationRecord): MigrationReport {
  const isCancelled = cancel === 'cancelled' && error?.code === 'cancelled';
  return { ...withStatus(report, isCancelled ? 'cancelled' : 'failed'), error };
}

/** The report when a phase begins: from `finish` on the source never runs the VM again. */
export const phaseReport = (
  report: MigrationReport,
  phase: 'prepare' | 'postcopy' | 'finish' | 'confirm',
): MigrationReport => withStatus(report, PHASE_STATUSES[phase]);

const PHASE_STATUSES = {
  prepare: 'preparing',
  postcopy: 'postcopy',
  finish: 'switchover',
  confirm: 'switchover',
} as const;

/**
 * The report of a VM that went on at the destination only when the agents had told it to, which took that long at most.
 * A process that measures the parts of the downtime has counted it.
 */
export const withHandover = (report: MigrationReport, handoverMs: number): MigrationReport =>
  report.downtimeBreakdown ? report : { ...report, downtimeMs: (report.downtimeMs ?? 0) + handoverMs };

/** The last report of a migration whose VM has left; with an error, it is nowhere. */
export const endReport = (report: MigrationReport, error: MigrationError | null): MigrationReport => ({
  ...withStatus(report, error ? 'failed' : 'completed'),
  error,
});
