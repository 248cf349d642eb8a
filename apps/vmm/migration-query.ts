/** Answers of query-migrate in QEMU's shape (qapi/migration.json, MigrationInfo); what QEMU lacks is under x-drover. */
import type { CompressionFigures, IncomingFigures, IncomingStatus, MigrationFigures, XbzrleFigures } from '#migration';
import { blockingOf, missLatencies, type GuestMemory } from '#vmm';
import type { MigrationAddress } from './migration-address.js';

const BITS_PER_BYTE = 8;

export function describeOutgoing(figures: MigrationFigures): Record<string, unknown> {
  const { iterations, pageBytes, pages, zeroPages, transferredBytes } = figures;
  const wholePages = pages - zeroPages - (figures.xbzrle?.pages ?? 0);
  const last = iterations.at(-1);
  const flowedMs = Math.max(1, figures.totalMs - figures.setupMs);
  const bytesPerMs = last ? last.bytes / Math.max(last.durationMs, 0.001) : transferredBytes / flowedMs;
  const pagesPerMs = last ? last.pages / Math.max(last.durationMs, 0.001) : pages / flowedMs;
  const { migrationId, epoch, reason, savedPages, downtimeBreakdown, confirmed, error, throttle, shares } = figures;
  const passes = { iterations, reason, savedPages, ...shares };
  return {
    status: figures.status,
    'total-time': Math.round(figures.totalMs),
    'setup-time': Math.round(figures.setupMs),
    ...(figures.downtimeMs !== null && { downtime: Math.round(figures.downtimeMs) }),
    ...(last?.expectedDowntimeMs != null && { 'expected-downtime': Math.ceil(last.expectedDowntimeMs) }),
    ...(figures.throttle.percentage > 0 && { 'cpu-throttle-percentage': figures.throttle.percentage }),
    ...(figures.xbzrle && { 'xbzrle-cache': describeXbzrle(figures.xbzrle) }),
    ...(figures.compression && { compression: describeCompression(figures.compression) }),
    ram: {
      total: figures.ramBytes,
      transferred: transferredBytes,
      remaining: figures.remainingBytes,
      duplicate: zeroPages,
      normal: wholePages,
      'normal-bytes': wholePages * pageBytes,
      'dirty-pages-rate': Math.round(((last?.dirtyRateMiBps ?? 0) * 2 ** 20) / pageBytes),
      mbps: (bytesPerMs * BITS_PER_BYTE * 1000) / 1e6,
      'page-size': pageBytes,
      'dirty-sync-count': figures.dirtySyncs,
      'postcopy-requests': figures.postcopyRequests,
      'multifd-bytes': figures.multifdBytes,
      'pages-per-second': Math.round(pagesPerMs * 1000),
    },
    ...(error && figures.status !== 'completed' && { 'error-desc': error.message }),
    'x-drover': { migrationId, epoch, ...passes, downtimeBreakdown, confirmed, error, throttle },
  };
}

const describeXbzrle = (xbzrle: XbzrleFigures) => ({
  'cache-size': xbzrle.cacheBytes,
  bytes: xbzrle.bytes,
  pages: xbzrle.pages,
  'cache-miss': xbzrle.cacheMiss,
  'cache-miss-rate': xbzrle.cacheMissRate,
  'encoding-rate': xbzrle.encodingRate,
  overflow: xbzrle.overflow,
});

const describeCompression = (compression: CompressionFigures) => ({
  pages: compression.pages,
  busy: compression.busy,
  'busy-rate': compression.busyRate,
  'compressed-size': compression.compressedBytes,
  'compression-rate': compression.compressionRate,
});

const INCOMING_STATUS: Readonly<Record<IncomingStatus, string>> = {
  waiting: 'setup',
  active: 'active',
  loaded: 'device',
  postcopy: 'postcopy-active',
  postcopy_paused: 'postcopy-paused',
  postcopy_recover: 'postcopy-recover',
  running: 'completed',
  failed: 'failed',
};

/** The arriving side; `bound` is where it listens or listened. */
export function describeIncoming(
  figures: IncomingFigures,
  bound: MigrationAddress | null,
  memory: GuestMemory,
): Record<string, unknown> {
  return {
    status: incomingStatus(figures),
    ...(bound && { 'socket-address': [socketAddress(bound)] }),
    ...(figures.error && { 'error-desc': figures.error.message }),
    ...describeBlocking(figures, memory),
    'x-drover-incoming': {
      ...figures,
      missLatencyMedianUs: missLatencies(memory, 'all').medianUs,
      fetchLatencyMedianUs: missLatencies(memory, 'fetched').medianUs,
    },
  };
}

/** How long harts waited for pages, if they had to: in ms; latencies in ns, their distribution by powers of 2 us. */
function describeBlocking({ overlappedBlockMs }: IncomingFigures, memory: GuestMemory): Record<string, unknown> {
  const harts = Array.from({ length: memory.harts }, (_, hart) => blockingOf(memory, hart));
  const sum = (of: (hart: (typeof harts)[number]) => number) => harts.reduce((all, hart) => all + of(hart), 0);
  const misses = sum((hart) => hart.misses);
  if (misses === 0) return {};
  const latencyNs = (blockedNs: number, count: number) => Math.round(blockedNs / Math.max(1, count));
  return {
    'postcopy-blocktime': Math.round(overlappedBlockMs),
    'postcopy-vcpu-blocktime': harts.map(({ blockedNs }) => Math.round(blockedNs / 1e6)),
    'postcopy-latency': latencyNs(
      sum((hart) => hart.blockedNs),
      misses,
    ),
    'postcopy-vcpu-latency': harts.map((hart) => latencyNs(hart.blockedNs, hart.misses)),
    'postcopy-latency-dist': missLatencies(memory, 'all').octaves,
  };
}

/** The arriving side's status in QEMU's words. */
export const incomingStatus = ({ status }: IncomingFigures): string => INCOMING_STATUS[status];

/** QEMU's SocketAddress: ports are strings there. */
const socketAddress = (address: MigrationAddress) =>
  'path' in address
    ? { type: 'unix', path: address.path }
    : { type: 'inet', host: address.host, port: String(address.port) };
