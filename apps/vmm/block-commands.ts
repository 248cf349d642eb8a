/** The QMP commands about disks, with what is known of QEMU's answers (qapi/block-core.json). */
import type { QmpServer } from '#qmp';
import type { Drive, DriveError, Drives } from './devices/drives.js';
import type { Host } from './devices/plugged.js';

/** A guest may cause errors faster than anybody can hear of them. */
const LEAST_MS_BETWEEN_REPORTS = 1000;

export function registerBlockCommands(qmp: QmpServer, drives: Drives): void {
  qmp.register('query-block', {}, () => drives.list.map(describeDrive));
  qmp.register('query-blockstats', {}, () => drives.list.map(describeFigures));
}

function describeDrive({ id, disk: { file }, writeCache }: Drive): Record<string, unknown> {
  const { path, isReadOnly } = file.options;
  return {
    device: id,
    locked: false,
    removable: false,
    type: 'unknown',
    inserted: {
      file: path,
      drv: 'raw',
      ro: isReadOnly,
      cache: { writeback: writeCache, direct: false, 'no-flush': false },
      image: {
        filename: path,
        format: 'raw',
        'virtual-size': file.sizeBytes,
        'actual-size': file.allocatedBytes,
        'dirty-flag': false,
      },
    },
  };
}

function describeFigures({ id, disk }: Drive): Record<string, unknown> {
  const { read, write, flush, discard } = disk.figures;
  const ns = (timeNs: bigint) => Number(timeNs);
  return {
    device: id,
    stats: {
      rd_bytes: read.bytes,
      rd_operations: read.operations,
      rd_total_time_ns: ns(read.timeNs),
      failed_rd_operations: read.failed,
      wr_bytes: write.bytes,
      wr_operations: write.operations,
      wr_total_time_ns: ns(write.timeNs),
      failed_wr_operations: write.failed,
      flush_operations: flush.operations,
      flush_total_time_ns: ns(flush.timeNs),
      failed_flush_operations: flush.failed,
      unmap_bytes: discard.bytes,
      unmap_operations: discard.operations,
      unmap_total_time_ns: ns(discard.timeNs),
      failed_unmap_operations: discard.failed,
    },
  };
}

/**
 * How errors of the host are made known: BLOCK_IO_ERROR and a line; for each drive once a second at most, unless `hold`
 * stops the guest for it.
 */
export function tellOfDiskErrors(
  { event, log }: Pick<Host, 'event' | 'log'>,
  hold: () => void,
): (error: DriveError) => void {
  const lastMs = new Map<string, number>();
  return ({ drive, operation, reason, isOutOfSpace, action }) => {
    const nowMs = performance.now();
    const isTold = nowMs - (lastMs.get(drive) ?? -Infinity) < LEAST_MS_BETWEEN_REPORTS;
    if (action === 'stop') hold();
    else if (isTold) return;
    lastMs.set(drive, nowMs);
    log(`drive ${drive}: ${operation}: ${reason}`);
    const qemuOperation = operation === 'read' ? 'read' : 'write';
    event('BLOCK_IO_ERROR', {
      device: drive,
      operation: qemuOperation,
      action,
      nospace: isOutOfSpace,
      reason,
    });
  };
}
