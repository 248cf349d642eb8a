/** QMP's query-migrate and migration parameters (QEMU, qapi/migration.json), read and written; x-drover is our own. */
import type { DowntimeParts, IncomingFigures, MigrationLimits, OutgoingFigures, RunState } from './hypervisor.js';

/** What query-migrate answers; an empty object if there is no migration. */
export interface QueryMigrate {
  readonly status?: string;
  readonly 'total-time'?: number;
  readonly downtime?: number;
  readonly 'expected-downtime'?: number;
  readonly 'error-desc'?: string;
  readonly ram?: {
    readonly total: number;
    readonly transferred: number;
    /** Pages sent: whole ones, and those that are one byte throughout. */
    readonly normal?: number;
    readonly duplicate?: number;
    readonly remaining: number;
    readonly mbps: number;
    readonly 'dirty-pages-rate': number;
    readonly 'dirty-sync-count': number;
    readonly 'page-size': number;
    readonly 'multifd-bytes'?: number;
  };
  readonly 'xbzrle-cache'?: { readonly pages: number; readonly bytes: number; readonly 'cache-miss': number };
  readonly compression?: { readonly pages: number; readonly 'compressed-size': number };
  readonly 'socket-address'?: readonly { readonly type: string; readonly port?: string }[];
  readonly 'x-drover'?: {
    readonly migrationId: string;
    readonly confirmed: boolean | null;
    /** Absent in older versions. */
    readonly savedPages?: number;
    readonly iterations: OutgoingFigures['iterations'];
    readonly downtimeBreakdown: DowntimeParts | null;
    readonly error: OutgoingFigures['error'];
    /** Absent in processes of older versions. */
    readonly compressedShare?: number | null;
    readonly deltaShare?: number | null;
  };
  readonly 'x-drover-incoming'?: { readonly status: string; readonly error: { readonly message: string } | null };
}

/** QEMU's MigrationStatus, as it is told here. */
const STATUSES: Readonly<Record<string, OutgoingFigures['status']>> = {
  setup: 'setup',
  'wait-unplug': 'setup',
  active: 'active',
  'pre-switchover': 'active',
  device: 'device',
  'postcopy-device': 'device',
  'postcopy-active': 'postcopy',
  'postcopy-paused': 'postcopy_paused',
  'postcopy-recover-setup': 'postcopy_paused',
  'postcopy-recover': 'postcopy',
  completed: 'completed',
  cancelling: 'cancelling',
  cancelled: 'cancelled',
  failed: 'failed',
};
const MIB = 2 ** 20;
/** `mbps` counts 10^6 bits. */
const BYTES_PER_MEGABIT = 1e6 / 8;
/** Of both bandwidths; pages that somebody waits for are never limited. */
const NO_LIMIT = 0;

/** Null: the process has not been asked to migrate. */
export function outgoingFigures(answer: QueryMigrate): OutgoingFigures | null {
  if (answer['x-drover-incoming']) return null; // it tells of the migration that came, for none has left
  const status = STATUSES[answer.status ?? ''];
  if (!status) return null;
  const { ram, 'xbzrle-cache': xbzrle, compression, 'x-drover': own } = answer;
  const pageBytes = ram?.['page-size'] ?? 4096;
  const downtimeParts = own?.downtimeBreakdown ? partsOf(own.downtimeBreakdown) : null;
  return {
    migrationId: own?.migrationId ?? null,
    status,
    isConfirmed: own?.confirmed ?? null,
    totalBytes: ram?.total ?? 0,
    transferredBytes: ram?.transferred ?? 0,
    remainingBytes: ram?.remaining ?? 0,
    savedPages: own?.savedPages ?? 0,
    xbzrle: xbzrle ? { pages: xbzrle.pages, bytes: xbzrle.bytes, misses: xbzrle['cache-miss'] } : null,
    compression: compression ? { pages: compression.pages, bytes: compression['compressed-size'] } : null,
    multifdBytes: ram?.['multifd-bytes'] ?? 0,
    bandwidthMiBps: ((ram?.mbps ?? 0) * BYTES_PER_MEGABIT) / MIB,
    dirtyRateMiBps: ((ram?.['dirty-pages-rate'] ?? 0) * pageBytes) / MIB,
    iteration: ram?.['dirty-sync-count'] ?? 0,
    expectedDowntimeMs: answer['expected-downtime'] ?? null,
    iterations: own?.iterations ?? [],
    downtimeMs: downtimeParts ? sum(Object.values(downtimeParts)) : (answer.downtime ?? null),
    totalMs: answer['total-time'] ?? null,
    downtimeParts,
    compressedShare: own?.compressedShare ?? null,
    deltaShare: own?.deltaShare ?? null,
    error: own?.error ?? (answer['error-desc'] ? { code: 'failed', message: answer['error-desc'] } : null),
  };
}

const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);

const partsOf = ({ stopMs, finalSyncMs, finalPagesMs, deviceStateMs, loadMs, resumeMs }: DowntimeParts) => ({
  stopMs,
  finalSyncMs,
  finalPagesMs,
  deviceStateMs,
  loadMs,
  resumeMs,
});

/** The arriving side: a run state other than inmigrate means that the guest has been handed over. */
export function incomingFigures({ status }: RunState, answer: QueryMigrate): IncomingFigures {
  const own = answer['x-drover-incoming'];
  if (status === 'running' || status === 'paused') {
    const isComplete = own === undefined || own.status === 'running';
    return { status: 'running', isComplete, message: `the guest is ${status}` };
  }
  if (own?.status === 'failed' || answer.status === 'failed')
    return notRunning('failed', own?.error?.message ?? answer['error-desc'] ?? 'the migration failed');
  if (own?.status === 'loaded') return notRunning('loaded', 'everything is here');
  return notRunning('waiting', `the process is ${status}`);
}

/**
 * The same of a QEMU that was started with -S: it has loaded everything when it is paused, and what has begun to run may
 * be in any state after that.
 */
export function qemuIncomingFigures({ status }: RunState, answer: QueryMigrate): IncomingFigures {
  if (answer.status === 'failed') return notRunning('failed', answer['error-desc'] ?? 'the migration failed');
  if (status === 'inmigrate') return notRunning('waiting', `the migration is ${answer.status ?? 'awaited'}`);
  if (status === 'paused') return notRunning('loaded', 'everything is here');
  const isComplete = !(answer.status ?? '').startsWith('postcopy');
  return { status: 'running', isComplete, message: `the guest is ${status}` };
}

const notRunning = (status: Exclude<IncomingFigures['status'], 'running'>, message: string): IncomingFigures => ({
  status,
  isComplete: false,
  message,
});

/** The port at which a process waits. Throws if it waits nowhere. */
export function listeningPort(answer: QueryMigrate): number {
  const port = Number(answer['socket-address']?.find(({ type }) => type === 'inet')?.port);
  if (!(port > 0)) throw new Error('the process does not say at which port it waits for the migration');
  return port;
}

/** Arguments of migrate-set-parameters: bandwidth in bytes per second. */
export function migrationParameters({ downtimeLimitMs, bandwidthMiBps }: MigrationLimits): Record<string, number> {
  const bandwidth = bandwidthMiBps == null ? NO_LIMIT : Math.round(bandwidthMiBps * MIB);
  return {
    ...(downtimeLimitMs !== undefined && { 'downtime-limit': downtimeLimitMs }),
    ...(bandwidthMiBps !== undefined && { 'max-bandwidth': bandwidth, 'max-postcopy-bandwidth': bandwidth }),
  };
}
