/** Requests of a block device's driver (virtio 1.2, section 5.2.6): read from their chain, checked against the disk. */
import type { GuestMemory } from '../../memory.js';
import { MAX_DISCARD_SECTORS, MAX_RANGES, MAX_ZEROES_SECTORS } from './blk-config.js';
import { SECTOR_SIZE } from './block-backend.js';
import { gather, slice, spanBytes, VirtioError, type Chain, type Span } from './queue.js';

export const T_IN = 0;
export const T_OUT = 1;
export const T_FLUSH = 4;
export const T_GET_ID = 8;
export const T_DISCARD = 11;
export const T_WRITE_ZEROES = 13;

export const S_OK = 0;
export const S_IOERR = 1;
export const S_UNSUPP = 2;
export type Status = typeof S_OK | typeof S_IOERR | typeof S_UNSUPP;

const HEADER_SIZE = 16;
const RANGE_SIZE = 16;
const RANGE_UNMAP = 1;

export interface BlkRequest {
  readonly chain: Chain;
  readonly type: number;
  /** First byte on the disk; anything, if the driver says so. */
  readonly offset: number;
  /** What follows the header: for OUT what is to be written. */
  readonly readable: readonly Span[];
  /** What comes before the status. */
  readonly writable: readonly Span[];
  readonly statusAddress: number;
}

/** Throws a VirtioError if there is no room for a header or a status, so that no answer could be given. */
export function readRequest(memory: GuestMemory, chain: Chain): BlkRequest {
  const answerBytes = spanBytes(chain.writable);
  if (spanBytes(chain.readable) < HEADER_SIZE) throw new VirtioError('a block request without a header');
  if (answerBytes === 0) throw new VirtioError('a block request without room for its status');
  const header = new DataView(gather(memory, slice(chain.readable, 0, HEADER_SIZE)).buffer);
  return {
    chain,
    type: header.getUint32(0, true),
    offset: Number(header.getBigUint64(8, true)) * SECTOR_SIZE,
    readable: slice(chain.readable, HEADER_SIZE),
    writable: slice(chain.writable, 0, answerBytes - 1),
    statusAddress: slice(chain.writable, answerBytes - 1)[0]!.address,
  };
}

export interface DiskShape {
  readonly sizeBytes: number;
  readonly logicalBlockSize: number;
}

/** True if these are whole blocks that lie on the disk. */
export function isOnDisk(disk: DiskShape, offset: number, size: number): boolean {
  const { sizeBytes, logicalBlockSize } = disk;
  return offset % logicalBlockSize === 0 && size % logicalBlockSize === 0 && offset + size <= sizeBytes;
}

export interface Range {
  readonly offset: number;
  readonly size: number;
  readonly mayUnmap: boolean;
}

/** The ranges of a request to discard or to write zeroes; or the status that it ends with (section 5.2.6.2). */
export function readRanges(memory: GuestMemory, request: BlkRequest, disk: DiskShape): Range[] | Status {
  const bytes = spanBytes(request.readable);
  const count = bytes / RANGE_SIZE;
  if (!Number.isInteger(count) || count < 1 || count > MAX_RANGES) return S_IOERR;
  const view = new DataView(gather(memory, request.readable).buffer);
  const discards = request.type === T_DISCARD;
  const ranges: Range[] = [];
  for (let at = 0; at < bytes; at += RANGE_SIZE) {
    const offset = Number(view.getBigUint64(at, true)) * SECTOR_SIZE;
    const sectors = view.getUint32(at + 8, true);
    const flags = view.getUint32(at + 12, true);
    if ((flags & ~(discards ? 0 : RANGE_UNMAP)) !== 0) return S_UNSUPP;
    if (sectors > (discards ? MAX_DISCARD_SECTORS : MAX_ZEROES_SECTORS)) return S_IOERR;
    const size = sectors * SECTOR_SIZE;
    if (!isOnDisk(disk, offset, size)) return S_IOERR;
    ranges.push({ offset, size, mayUnmap: flags === RANGE_UNMAP });
  }
  return ranges;
}
