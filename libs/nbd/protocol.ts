/** Numbers of the NBD protocol (NetworkBlockDevice/nbd, doc/proto.md); all integers on the wire are big-endian. */

export const GREETING_MAGIC = 0x4e42_444d_4147_4943n; // "NBDMAGIC"
export const OPTION_MAGIC = 0x4948_4156_454f_5054n; // "IHAVEOPT"
export const OPTION_REPLY_MAGIC = 0x3_e889_0455_65a9n;
export const REQUEST_MAGIC = 0x2560_9513;
export const SIMPLE_REPLY_MAGIC = 0x6744_6698;
export const STRUCTURED_REPLY_MAGIC = 0x668e_33ef;

/** Both sides' handshake flags have the same values. */
export const HANDSHAKE_FIXED_NEWSTYLE = 1;
export const HANDSHAKE_NO_ZEROES = 2;

export const OPTION = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const OPTION_REPLY = { ack: 1, server: 2, info: 3, metaContext: 4 } as const;

/** Errors among option replies have the highest bit set. */
export const OPTION_ERROR_BIT = 0x8000_0000;
export const OPTION_ERROR = {
  unsupported: 0x8000_0001,
  policy: 0x8000_0002,
  invalid: 0x8000_0003,
  tlsRequired: 0x8000_0005,
  unknown: 0x8000_0006,
  tooBig: 0x8000_0009,
} as const;

export const INFO = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const TRANSMISSION = {
  hasFlags: 1,
  readOnly: 2,
  sendFlush: 4,
  sendFua: 8,
  sendTrim: 32,
  sendWriteZeroes: 64,
  sendDf: 128,
  canMultiConn: 256,
} as const;

export const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, writeZeroes: 6, blockStatus: 7 } as const;
export const COMMAND_FLAG = { fua: 1, noHole: 2, df: 4, reqOne: 8 } as const;

export const CHUNK = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: 0x8001,
  errorOffset: 0x8002,
} as const;
export const CHUNK_ERROR_BIT = 0x8000;
export const CHUNK_DONE = 1;

/** The one metadata context that is known here: which parts of a disk take no space, which read as zeroes. */
export const BASE_ALLOCATION = 'base:allocation';
export const STATE_HOLE = 1;
export const STATE_ZERO = 2;

/** Errors that a reply may carry; they are Linux's numbers on every machine. */
export const ERRNO = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;
export type NbdErrno = keyof typeof ERRNO;

/** Longest string that either side need accept. */
export const MAX_STRING_BYTES = 4096;
/** Largest payload that every server takes, and none has to take more. */
export const MAX_PAYLOAD_BYTES = 32 * 2 ** 20;
/** Most bytes that one command may be about: a length is 32 bits. */
export const MAX_COMMAND_BYTES = 2 ** 32 - 1;
