/**
 * The migration stream, version 2: one connection, opened by the source, and a second one if there may be post-copy.
 *
 *     source                                              destination
 *       |  opening, HELLO {migrationId, epoch, machine} ----->  |   newer than what is known here? the same machine?
 *       |  <------------------------------------ opening, READY |
 *       |  RAM RAM RAM ... ITERATION {1, pages}  ------------>  |   pages go into memory as they come
 *       |  <------------------------------------- RECEIVED {1}  |
 *       |  RAM RAM ...     ITERATION {2, pages}  ------------>  |
 *       |       ... until the rest fits the downtime limit;     |
 *       |           then the guest stops ...                    |
 *       |  RAM ... STATE (harts, devices) END {totals}  ----->  |   everything is restored, nothing runs
 *       |  <------------------------------------------- LOADED  |
 *       |  COMMIT  =========================================>   |   the guest runs here, and never again there
 *       |  <------------------------------------------ RUNNING  |
 *
 * COMMIT is the point of no return. Before it either side may send ERROR and close, and the source runs on. After it
 * the source stays stopped whatever happens. A destination that loses the connection between LOADED and COMMIT cannot
 * know which it is: it stays loaded and stopped until it is told to finish or to quit.
 *
 * A destination that has a checkpoint of the VM (checkpoint.ts) says so, if the source can compare (HELLO.checkpoint):
 *
 *       |  opening, HELLO {..., checkpoint}       ----------->  |
 *       |  <--------------------- opening, READY {checkpoint}   |
 *       |  <------------------------------ HASHES HASHES ...    |   of pages that it has put into memory
 *       |  <------------------------- HASHES (an empty one)     |   that is all
 *       |  RAM RAM RAM ... ITERATION {1, pages}  ------------>  |   only the pages whose hashes differ, and all others
 *
 * Who does not know these fields leaves them out, and nothing is compared.
 *
 * With post-copy (HELLO.postcopy) the source opens a second connection, for what is urgent, once HELLO has been answered:
 *
 *       |  opening, JOIN {migrationId, channel 0} ...........>  |
 *       |  <....................................opening, READY  |
 *
 * and may stop the guest at any moment, in the midst of a pass, with pages that are still to come:
 *
 *       |  DISCARD {bitmap: these pages it has not,             |
 *       |           or not as they are}           ----------->  |   drops them
 *       |  STATE END {totals, missingPages}       ----------->  |
 *       |  <------------------------------------------- LOADED  |
 *       |  COMMIT  =========================================>   |   the guest runs here; who needs a page that is
 *       |  <------------------------------------------ RUNNING  |   missing waits, and has it asked for
 *       |  RAM RAM RAM ...  (in the background)   ----------->  |   pages go into memory, and whoever waits goes on
 *       |  <.................................. REQUEST {pages}  |   the background goes on behind the page that was
 *       |  RAM (these pages, RAM of some behind)  ...........>  |   asked for last; a page may come twice
 *       |  <----------------------------------------- COMPLETE  |   nothing is missing: the source is needed no more
 *
 * If a connection is lost in between, both are given up, and each side keeps what it has. Then the source opens new ones:
 *
 *       |  opening, RECOVER {migrationId, epoch}  ----------->  |   also proves COMMIT, if that was lost
 *       |  <------- opening, MISSING {bitmap: what is missing}  |
 *       |  opening, JOIN {migrationId, channel 0} ...........>  |
 *       |  <....................................opening, READY  |
 *       |  RAM RAM RAM ...  (of what is missing)  ----------->  |   as before
 *
 * With multifd (HELLO.channels) there are more connections, which join as channels 1, 2, ... and carry the pages; SYNC
 * {iteration} ends each pass there, before ITERATION is answered and before the state is loaded.
 *
 *     opening:  "DROVER" | u16 version
 *     frame:    u64 checksum | u32 length | u32 type | payload of `length` bytes          (little-endian throughout)
 *
 * The checksum is XXH64 over length, type and payload; its seed is the number of the frame in its direction, from 0, so
 * that a frame that is lost, doubled or out of place is seen as well. The payload of RAM is a batch of pages (see
 * codec/codec.as.ts), that of COMPRESSED such a batch made smaller (compression.ts), that of STATE the machine's own
 * snapshot, that of DISCARD and MISSING one bit for each page of RAM, that of HASHES a list (checkpoint.ts); every other
 * payload is a JSON object (see Messages). In post-copy batches of pages carry the number of the last pass.
 */
import { layout } from '#vmm';
import type { GuestMemory } from '#vmm';
import { MigrationError } from './errors.js';

export const STREAM_VERSION = 2;
export const OPENING_BYTES = 8;
export const FRAME_HEADER_BYTES = 16;
/** Most pages in a batch: 1 MiB of content to a frame. */
export const BATCH_PAGES = 256;
export const BATCH_HEADER_BYTES = 8;
export const MAX_PAYLOAD_BYTES = BATCH_HEADER_BYTES + BATCH_PAGES * (4 + layout.PAGE_SIZE);

/** What must be equal at both ends for a guest to notice nothing. */
export interface MachineDescription {
  readonly ramBytes: number;
  readonly harts: number;
  readonly pageBytes: number;
  /** Grows when device models change so that an older board cannot take over their state. */
  readonly boardVersion: number;
}

export interface Messages {
  /** `epoch`: what the VM's ownership will be at the destination. */
  /** `postcopy`: a second connection follows, and pages may come after COMMIT. `channels`: connections for pages. */
  HELLO: {
    migrationId: string;
    epoch: number;
    machine: MachineDescription;
    postcopy: boolean;
    channels: number;
    /** HASHES may come. */
    checkpoint?: boolean;
  };
  /** `checkpoint`: HASHES follow. */
  READY: { checkpoint?: boolean };
  /** See checkpoint.ts. */
  HASHES: Uint8Array;
  /** End of a pass over the dirty log, with what it sent. */
  ITERATION: { iteration: number; pages: number; zeroPages: number };
  RECEIVED: { iteration: number };
  /** Harts, devices and guest time, as MachineControl.saveState gave them. */
  STATE: Uint8Array;
  /** Pages of the whole stream. `running`: the guest ran when the migration stopped it. */
  END: { running: boolean; pages: number; zeroPages: number; missingPages: number };
  LOADED: { loadMs: number };
  COMMIT: object;
  RUNNING: { resumeMs: number };
  ERROR: { code: string; message: string };
  /** `channel`: 0 for the one that is urgent, others for pages. */
  JOIN: { migrationId: string; channel: number };
  /** All pages of that pass have been sent on this connection. */
  SYNC: { iteration: number };
  /** Pages that the destination has not as they are: bit n & 7 of byte n >> 3 is page n. */
  DISCARD: Uint8Array;
  REQUEST: { pages: number[] };
  COMPLETE: object;
  RECOVER: { migrationId: string; epoch: number };
  /** As DISCARD, from the destination. */
  MISSING: Uint8Array;
}
export type MessageType = keyof Messages;
export type Message = { [T in MessageType]: { readonly type: T; readonly body: Messages[T] } }[MessageType];

export const RAM_FRAME = 3;
/** A batch of pages, compressed (compression.ts). */
export const COMPRESSED_FRAME = 32;
const FRAME_TYPES: Record<MessageType, number> = {
  HELLO: 1,
  READY: 2,
  ITERATION: 4,
  RECEIVED: 5,
  STATE: 6,
  END: 7,
  LOADED: 8,
  COMMIT: 9,
  RUNNING: 10,
  ERROR: 11,
  JOIN: 12,
  DISCARD: 13,
  REQUEST: 14,
  COMPLETE: 15,
  RECOVER: 16,
  MISSING: 17,
  SYNC: 18,
  HASHES: 19,
};
/** Whose payload is no JSON. */
const BINARY = ['STATE', 'DISCARD', 'MISSING', 'HASHES'] as const;
type Binary = (typeof BINARY)[number];
const UTF_8 = new TextDecoder('utf-8', { fatal: true });
const MESSAGE_TYPES = new Map(Object.entries(FRAME_TYPES).map(([type, number]) => [number, type as MessageType]));

/** `boolean?` may be left out. */
type Shape = { readonly [field: string]: 'string' | 'count' | 'counts' | 'number' | 'boolean' | 'boolean?' | Shape };
const MACHINE: Shape = { ramBytes: 'count', harts: 'count', pageBytes: 'count', boardVersion: 'count' };
const SHAPES: Record<Exclude<MessageType, Binary>, Shape> = {
  HELLO: {
    migrationId: 'string',
    epoch: 'count',
    machine: MACHINE,
    postcopy: 'boolean',
    channels: 'count',
    checkpoint: 'boolean?',
  },
  READY: { checkpoint: 'boolean?' },
  ITERATION: { iteration: 'count', pages: 'count', zeroPages: 'count' },
  RECEIVED: { iteration: 'count' },
  END: { running: 'boolean', pages: 'count', zeroPages: 'count', missingPages: 'count' },
  LOADED: { loadMs: 'number' },
  COMMIT: {},
  RUNNING: { resumeMs: 'number' },
  ERROR: { code: 'string', message: 'string' },
  JOIN: { migrationId: 'string', channel: 'count' },
  SYNC: { iteration: 'count' },
  REQUEST: { pages: 'counts' },
  COMPLETE: {},
  RECOVER: { migrationId: 'string', epoch: 'count' },
};

/** The eight bytes with which each direction begins. */
export function opening(version = STREAM_VERSION): Uint8Array {
  const bytes = new TextEncoder().encode('DROVER__');
  new DataView(bytes.buffer).setUint16(6, version, true);
  return bytes;
}

/**
 * Checks the first bytes of a stream, as many as have come. Throws MigrationError `not_drover` at the first byte that
 * differs, `version` when all have come and name another version.
 */
export function checkOpening(bytes: Uint8Array): void {
  const expected = opening();
  const magicBytes = OPENING_BYTES - 2;
  if (bytes.subarray(0, magicBytes).some((byte, i) => byte !== expected[i])) {
    throw new MigrationError('not_drover', `not a Drover migration stream: it begins with ${printable(bytes)}`);
  }
  if (bytes.length < OPENING_BYTES) return;
  const version = bytes[magicBytes]! | (bytes[magicBytes + 1]! << 8);
  if (version !== STREAM_VERSION) {
    throw new MigrationError(
      'version',
      `the other side speaks version ${version} of the migration stream, this side version ${STREAM_VERSION}: run the same release on both`,
    );
  }
}

/** Frame type and payload of a message. */
export function encodeMessage<T extends MessageType>(type: T, body: Messages[T]) {
  const payload = body instanceof Uint8Array ? body : new TextEncoder().encode(JSON.stringify(body));
  return { frameType: FRAME_TYPES[type], payload };
}

/** The message in a frame, which may keep `payload`; throws MigrationError `malformed` if it is none. */
export function decodeMessage(frameType: number, payload: Uint8Array): Message {
  const type = MESSAGE_TYPES.get(frameType);
  if (!type) throw new MigrationError('malformed', `frame of unknown type ${frameType}`);
  if (isBinary(type)) return { type, body: payload };
  let body: unknown;
  try {
    body = JSON.parse(UTF_8.decode(payload));
  } catch (error) {
    throw new MigrationError('malformed', `${type} is not JSON`, { cause: error });
  }
  expectShape(type, body, SHAPES[type]);
  return { type, body } as Message;
}

const isBinary = (type: MessageType): type is Binary => (BINARY as readonly MessageType[]).includes(type);

function expectShape(path: string, value: unknown, shape: Shape): void {
  if (!isObject(value)) throw new MigrationError('malformed', `${path} is not an object`);
  for (const [field, kind] of Object.entries(shape)) {
    if (typeof kind === 'object') expectShape(`${path}.${field}`, value[field], kind);
    else if (!isOfKind(value[field], kind)) throw new MigrationError('malformed', `${path}.${field} is not a ${kind}`);
  }
}

function isOfKind(value: unknown, kind: string): boolean {
  if (kind === 'boolean?') return value === undefined || typeof value === 'boolean';
  if (kind === 'counts') return Array.isArray(value) && value.every((each) => isOfKind(each, 'count'));
  if (kind === 'count') return Number.isSafeInteger(value) && (value as number) >= 0;
  return typeof value === kind;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Up to 16 bytes as people can read them, such as `"GET / HTTP/1.1\x0d\x0a"`. */
function printable(bytes: Uint8Array): string {
  const shown = [...bytes.subarray(0, 16)].map((byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
  );
  return `"${shown.join('')}"`;
}

/** The machine to which a memory belongs. */
export const describeMachine = (memory: GuestMemory, boardVersion: number): MachineDescription => ({
  ramBytes: memory.ramBytes,
  harts: memory.harts,
  pageBytes: layout.PAGE_SIZE,
  boardVersion,
});

/** Throws MigrationError `config` that names every difference between the source's machine and this one. */
export function checkMachine(source: MachineDescription, here: MachineDescription): void {
  const fields = ['ramBytes', 'harts', 'pageBytes', 'boardVersion'] as const;
  const differences = fields
    .filter((field) => source[field] !== here[field])
    .map((field) => `${field} is ${source[field]} at the source and ${here[field]} here`);
  if (differences.length > 0) throw new MigrationError('config', `the machines differ: ${differences.join(', ')}`);
}
