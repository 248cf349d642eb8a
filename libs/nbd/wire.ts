/** Headers and payloads as bytes. */
import { NbdConnectionError } from './errors.js';
import {
  CHUNK_DONE,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  REQUEST_MAGIC,
  SIMPLE_REPLY_MAGIC,
  STATE_HOLE,
  STATE_ZERO,
  STRUCTURED_REPLY_MAGIC,
} from './protocol.js';

/** A run of bytes that are stored in the same way. */
export interface Extent {
  readonly sizeBytes: number;
  /** It takes no space. */
  readonly isHole: boolean;
  /** It reads as zeroes. */
  readonly isZero: boolean;
}

export interface Request {
  readonly flags: number;
  readonly command: number;
  readonly cookie: bigint;
  /** A number that no disk here reaches may lose its last digits: it is compared with sizes only. */
  readonly offset: number;
  readonly length: number;
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Makes a buffer of that size and has it filled. */
function filled(size: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(size);
  fill(viewOf(bytes));
  return bytes;
}

export const u16 = (value: number): Uint8Array => filled(2, (view) => view.setUint16(0, value));
export const u32 = (value: number): Uint8Array => filled(4, (view) => view.setUint32(0, value));
export const u64 = (value: bigint): Uint8Array => filled(8, (view) => view.setBigUint64(0, value));
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** A string with its length before it. */
export const counted = (string: string): Uint8Array => joined(u32(utf8(string).length), utf8(string));

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export const option = (number: number, data: Uint8Array): Uint8Array =>
  joined(u64(OPTION_MAGIC), u32(number), u32(data.length), data);

export const optionReply = (number: number, type: number, data: Uint8Array): Uint8Array =>
  joined(u64(OPTION_REPLY_MAGIC), u32(number), u32(type), u32(data.length), data);

export const REQUEST_BYTES = 28;

export const encodeRequest = ({ flags, command, cookie, offset, length }: Request): Uint8Array =>
  filled(REQUEST_BYTES, (view) => {
    view.setUint32(0, REQUEST_MAGIC);
    view.setUint16(4, flags);
    view.setUint16(6, command);
    view.setBigUint64(8, cookie);
    view.setBigUint64(16, BigInt(offset));
    view.setUint32(24, length);
  });

/** Throws an NbdConnectionError if that is no request: nothing behind it can be understood either. */
export function decodeRequest(bytes: Uint8Array): Request {
  const view = viewOf(bytes);
  if (view.getUint32(0) !== REQUEST_MAGIC) throw new NbdConnectionError('that is no NBD request');
  return {
    flags: view.getUint16(4),
    command: view.getUint16(6),
    cookie: view.getBigUint64(8),
    offset: Number(view.getBigUint64(16)),
    length: view.getUint32(24),
  };
}

export const simpleReply = (cookie: bigint, errno: number): Uint8Array =>
  filled(16, (view) => {
    view.setUint32(0, SIMPLE_REPLY_MAGIC);
    view.setUint32(4, errno);
    view.setBigUint64(8, cookie);
  });

/** The header of a reply's only chunk; a payload of `length` bytes follows. */
export const onlyChunk = (cookie: bigint, type: number, length: number): Uint8Array =>
  filled(20, (view) => {
    view.setUint32(0, STRUCTURED_REPLY_MAGIC);
    view.setUint16(4, CHUNK_DONE);
    view.setUint16(6, type);
    view.setBigUint64(8, cookie);
    view.setUint32(16, length);
  });

export const errorPayload = (errno: number, message: string): Uint8Array =>
  joined(u32(errno), u16(utf8(message).length), utf8(message));

export const blockStatusPayload = (contextId: number, extents: readonly Extent[]): Uint8Array =>
  joined(
    u32(contextId),
    ...extents.map(({ sizeBytes, isHole, isZero }) =>
      joined(u32(sizeBytes), u32((isHole ? STATE_HOLE : 0) | (isZero ? STATE_ZERO : 0))),
    ),
  );

/** Extents of base:allocation, from what follows the context's id. */
export function decodeExtents(bytes: Uint8Array): Extent[] {
  const view = viewOf(bytes);
  const extents: Extent[] = [];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const state = view.getUint32(at + 4);
    const sizeBytes = view.getUint32(at);
    extents.push({ sizeBytes, isHole: (state & STATE_HOLE) !== 0, isZero: (state & STATE_ZERO) !== 0 });
  }
  return extents;
}
