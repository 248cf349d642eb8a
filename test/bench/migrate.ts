/** One migration between two VM processes over the loopback, driven through QMP alone: the same for both programs. */
import type { VmProcess } from './vm-process.js';
import { waitFor } from './vm-process.js';

/** 1 TiB/s: more than any connection takes. */
export const UNLIMITED = 2 ** 40;

/** The parts of query-migrate that are used (QEMU, qapi/migration.json, MigrationInfo). */
export interface MigrationInfo {
  readonly status?: string;
  readonly 'total-time'?: number;
  readonly downtime?: number;
  readonly ram?: { readonly transferred: number; readonly remaining: number; readonly 'dirty-sync-count': number };
  readonly 'error-desc'?: string;
  readonly 'socket-address'?: readonly { readonly host: string; readonly port: string }[];
}

export interface MigrationFigures {
  readonly throughputMiBps: number;
  readonly totalMs: number;
  /** From the event STOP at the source to the event RESUME at the destination. */
  readonly pauseMs: number;
  /** What the source calls downtime. */
  readonly downtimeMs: number;
  readonly iterations: number;
  /** CPU time of both processes meanwhile, the guest's included. */
  readonly cpuMs: number;
}

const ENDS = ['completed', 'failed', 'cancelled'];

export const queryMigrate = (vm: VmProcess): Promise<MigrationInfo> => vm.qmp.execute<MigrationInfo>('query-migrate');

/** Where a VM that was started with `incoming` waits. */
export async function incomingUri(destination: VmProcess): Promise<string> {
  return await waitFor('listening for a migration', async () => {
    const [address] = (await queryMigrate(destination))['socket-address'] ?? [];
    return address && `tcp:${address.host}:${address.port}`;
  });
}

/** Waits until the source's migration has ended, however it did. */
export async function migrationEnd(source: VmProcess, timeoutMs: number): Promise<MigrationInfo> {
  const ended = async () => {
    const info = await queryMigrate(source);
    return ENDS.includes(info.status ?? '') ? info : undefined;
  };
  return await waitFor('the end of the migration', ended, { timeoutMs, intervalMs: 50 });
}

/** Migrates without a bandwidth limit. Throws if it does not complete within `timeoutMs`. */
export async function migrate(
  source: VmProcess,
  destination: VmProcess,
  { downtimeLimitMs = 300, timeoutMs = 120_000 } = {},
): Promise<MigrationFigures> {
  await source.qmp.execute('migrate-set-parameters', {
    'max-bandwidth': UNLIMITED,
    'downtime-limit': downtimeLimitMs,
  });
  const cpuSeconds = () => source.cpuSeconds() + destination.cpuSeconds();
  const cpuBefore = cpuSeconds();
  await source.qmp.execute('migrate', { uri: await incomingUri(destination) });
  const info = await migrationEnd(source, timeoutMs);
  if (info.status !== 'completed')
    throw new Error(`the migration ${info.status}: ${info['error-desc'] ?? 'no reason'}`);
  const pauseMs = await waitFor('the resumption at the destination', () => {
    const hasResumed = destination.events.some(({ event }) => event === 'RESUME');
    return hasResumed ? destination.eventMs('RESUME') - source.eventMs('STOP') : undefined;
  });
  const cpuMs = (cpuSeconds() - cpuBefore) * 1000;
  const { 'total-time': totalMs = 0, downtime: downtimeMs = 0, ram } = info;
  return {
    throughputMiBps: ram!.transferred / 2 ** 20 / (totalMs / 1000),
    totalMs,
    pauseMs,
    downtimeMs,
    cpuMs,
    iterations: ram!['dirty-sync-count'],
  };
}
