/** What a block device tells its driver: feature bits and configuration space (virtio 1.2, sections 5.2.3 and 5.2.4). */
import { SECTOR_SIZE, type BlockBackend } from './block-backend.js';

export const F_SEG_MAX = 1n << 2n;
export const F_RO = 1n << 5n;
export const F_BLK_SIZE = 1n << 6n;
export const F_FLUSH = 1n << 9n;
export const F_TOPOLOGY = 1n << 10n;
export const F_CONFIG_WCE = 1n << 11n;
export const F_MQ = 1n << 12n;
export const F_DISCARD = 1n << 13n;
export const F_WRITE_ZEROES = 1n << 14n;

/** Offset of the byte that says whether the device has a volatile write cache. */
export const CONFIG_WRITEBACK = 32;

export const BLK_QUEUE_SIZE = 256;
/** A request fits into a queue without indirect descriptors: data, header and status. */
const SEGMENTS = BLK_QUEUE_SIZE - 2;
/** At most that much in one segment of a request to discard: 1 GiB, which file systems do at once. */
export const MAX_DISCARD_SECTORS = 2 ** 21;
/** The same for zeroes, which the host may have to write one by one: 32 MiB. */
export const MAX_ZEROES_SECTORS = 2 ** 16;
export const MAX_RANGES = 16;

export interface BlkOptions {
  /** What GET_ID answers, at most 20 bytes of ASCII. */
  readonly serial: string;
  readonly queues: number;
  /** In bytes, powers of two from 512 on; requests of a driver are whole logical blocks. */
  readonly logicalBlockSize: number;
  readonly physicalBlockSize: number;
  /** Whether a write that has ended may still be lost with the host's power, until the driver flushes. */
  readonly writeCache: boolean;
}

export function blkFeatures(backend: BlockBackend, { queues }: BlkOptions): bigint {
  let features = F_SEG_MAX | F_BLK_SIZE | F_TOPOLOGY | F_FLUSH | F_CONFIG_WCE;
  if (queues > 1) features |= F_MQ;
  if (backend.isReadOnly) return features | F_RO;
  if (backend.canDiscard) features |= F_DISCARD;
  return features | F_WRITE_ZEROES;
}

/** The configuration space; CONFIG_WRITEBACK is the only byte that changes. */
export function blkConfig(backend: BlockBackend, options: BlkOptions): Uint8Array {
  const { queues, logicalBlockSize, physicalBlockSize, writeCache } = options;
  const bytes = new Uint8Array(60);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(backend.sizeBytes / SECTOR_SIZE), true);
  view.setUint32(12, SEGMENTS, true);
  view.setUint32(20, logicalBlockSize, true);
  view.setUint8(24, Math.log2(physicalBlockSize / logicalBlockSize));
  view.setUint16(26, physicalBlockSize / logicalBlockSize, true); // least I/O that is no read-modify-write, in blocks
  view.setUint8(CONFIG_WRITEBACK, writeCache ? 1 : 0);
  view.setUint16(34, queues, true);
  if (backend.canDiscard) {
    view.setUint32(36, MAX_DISCARD_SECTORS, true);
    view.setUint32(40, MAX_RANGES, true);
    view.setUint32(44, physicalBlockSize / SECTOR_SIZE, true);
  }
  view.setUint32(48, MAX_ZEROES_SECTORS, true);
  view.setUint32(52, MAX_RANGES, true);
  view.setUint8(56, backend.canDiscard ? 1 : 0);
  return bytes;
}
