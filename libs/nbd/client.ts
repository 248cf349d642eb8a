/** An NBD client on one connection, with any number of requests under way. */
import { chooseExport, type RemoteDisk } from './client-handshake.js';
import { errnoName, NbdConnectionError, NbdError } from './errors.js';
import {
  CHUNK,
  CHUNK_DONE,
  CHUNK_ERROR_BIT,
  COMMAND,
  COMMAND_FLAG,
  MAX_COMMAND_BYTES,
  MAX_STRING_BYTES,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from './protocol.js';
import { type Encrypt, NbdLink, type NbdStream } from './stream.js';
import { decodeExtents, encodeRequest, text, viewOf, type Extent } from './wire.js';

/** Longest of the answers that carry no data. */
const MAX_TOLD_BYTES = 2 ** 20;
/** What a range of 4 GiB is cut at, so that every server's alignment is kept. */
const LARGEST_RANGE_BYTES = MAX_COMMAND_BYTES + 1 - 65_536;

/** A request that waits for its reply. */
interface Pending {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly offset: number;
  /** Where what is read goes. */
  readonly into?: Uint8Array;
  readonly extents?: Extent[];
  /** An error among the chunks; the reply goes on behind it. */
  error?: NbdError;
}

export class NbdClient {
  private readonly pending = new Map<bigint, Pending>();
  private lastCookie = 0n;
  private failure: NbdConnectionError | undefined;
  private isLeaving = false;
  /** Resolves when the connection has ended, with the reason unless it was `disconnect`. */
  readonly closed: Promise<NbdConnectionError | undefined>;

  private constructor(
    private readonly link: NbdLink,
    readonly disk: RemoteDisk,
  ) {
    this.closed = this.receive();
  }

  /**
   * Chooses an export. `encrypt`: the connection is encrypted before the server hears which one, or given up; null: it
   * is not. Rejects with an NbdConnectionError that tells what the server said; then the stream is closed.
   */
  static async open(stream: NbdStream, exportName: string, encrypt: Encrypt | null = null): Promise<NbdClient> {
    const link = new NbdLink(stream, encrypt);
    try {
      return new NbdClient(link, await chooseExport(link, exportName));
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /** Fills the buffer. All requests reject with an NbdError, or with an NbdConnectionError once the connection is lost. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.inPieces(into.length, this.disk.maxPayloadBytes, (at, size) =>
      this.request({ command: COMMAND.read, offset: offset + at, length: size, into: into.subarray(at, at + size) }),
    );
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.inPieces(bytes.length, this.disk.maxPayloadBytes, (at, size) =>
      this.request({ command: COMMAND.write, offset: offset + at, length: size, data: bytes.subarray(at, at + size) }),
    );
  }

  /** Nothing where the server has no cache to flush. */
  async flush(): Promise<void> {
    if (this.disk.canFlush) await this.request({ command: COMMAND.flush, offset: 0, length: 0 });
  }

  async trim(offset: number, size: number): Promise<void> {
    if (!this.disk.canTrim) return;
    await this.inPieces(size, LARGEST_RANGE_BYTES, (at, length) =>
      this.request({ command: COMMAND.trim, offset: offset + at, length }),
    );
  }

  /** `mayUnmap`: the server may make a hole. Zeroes are sent to a server that does not know this command. */
  async writeZeroes(offset: number, size: number, mayUnmap: boolean): Promise<void> {
    const { canWriteZeroes, maxPayloadBytes } = this.disk;
    if (!canWriteZeroes) {
      const zeroes = new Uint8Array(Math.min(size, maxPayloadBytes));
      return await this.inPieces(size, maxPayloadBytes, (at, length) =>
        this.write(offset + at, zeroes.subarray(0, length)),
      );
    }
    const flags = mayUnmap ? 0 : COMMAND_FLAG.noHole;
    await this.inPieces(size, LARGEST_RANGE_BYTES, (at, length) =>
      this.request({ command: COMMAND.writeZeroes, flags, offset: offset + at, length }),
    );
  }

  /** How the range is stored, from its beginning on, as far as the server tells; one extent of data if it does not. */
  async extents(offset: number, size: number): Promise<readonly Extent[]> {
    const extents: Extent[] = [];
    if (this.disk.allocationId === undefined) return [{ sizeBytes: size, isHole: false, isZero: false }];
    const length = Math.min(size, LARGEST_RANGE_BYTES);
    await this.request({ command: COMMAND.blockStatus, offset, length, extents });
    if (extents.length === 0) throw new NbdError('EINVAL', 'the server told of no extent');
    return extents;
  }

  /** Leaves in order; what is under way gets no answer any more. */
  async disconnect(): Promise<void> {
    if (this.isLeaving || this.failure) return;
    this.isLeaving = true;
    await this.send({ command: COMMAND.disconnect, offset: 0, length: 0 }, 0n).catch(() => undefined);
    this.link.close();
  }

  /** Cuts the connection; whatever is under way rejects with the reason. */
  fail(reason: string): void {
    this.end(new NbdConnectionError(reason));
  }

  private async inPieces(
    size: number,
    largest: number,
    one: (at: number, size: number) => Promise<void>,
  ): Promise<void> {
    for (let at = 0; at < size; at += largest) await one(at, Math.min(largest, size - at));
  }

  private async request({ into, extents, ...command }: Command & Pick<Pending, 'into' | 'extents'>): Promise<void> {
    if (this.failure) throw this.failure;
    if (this.isLeaving) throw new NbdConnectionError('the connection has been given up');
    const cookie = (this.lastCookie += 1n);
    const { offset } = command;
    const answered = new Promise<void>((resolve, reject) => {
      this.pending.set(cookie, { resolve, reject, offset, ...(into && { into }), ...(extents && { extents }) });
    });
    this.send(command, cookie).catch((error: Error) => this.fail(error.message));
    await answered;
  }

  private send({ command, flags = 0, offset, length, data }: Command, cookie: bigint): Promise<void> {
    const header = encodeRequest({ command, flags, cookie, offset, length });
    return this.link.write(...(data ? [header, data] : [header]));
  }

  private async receive(): Promise<NbdConnectionError | undefined> {
    try {
      for (;;) await this.takeReply();
    } catch (error) {
      this.end(error instanceof NbdConnectionError ? error : new NbdConnectionError((error as Error).message));
    }
    return this.isLeaving ? undefined : this.failure;
  }

  private end(error: NbdConnectionError): void {
    this.failure ??= error;
    for (const { reject } of this.pending.values()) reject(this.failure);
    this.pending.clear();
    this.link.close();
  }

  private async takeReply(): Promise<void> {
    const magic = viewOf(await this.link.input.take(4)).getUint32(0);
    if (magic === SIMPLE_REPLY_MAGIC) await this.takeSimple();
    else if (magic === STRUCTURED_REPLY_MAGIC) await this.takeChunk();
    else throw new NbdConnectionError('that is no NBD reply');
  }

  private async takeSimple(): Promise<void> {
    const header = viewOf(await this.link.input.take(12));
    const [errno, cookie] = [header.getUint32(0), header.getBigUint64(4)];
    const pending = this.find(cookie);
    if (errno !== 0) pending.error = new NbdError(errnoName(errno), `the NBD server answered ${errnoName(errno)}`);
    else if (pending.into) pending.into.set(await this.link.input.take(pending.into.length));
    this.settle(cookie, pending);
  }

  private async takeChunk(): Promise<void> {
    const header = viewOf(await this.link.input.take(16));
    const [flags, type] = [header.getUint16(0), header.getUint16(2)];
    const cookie = header.getBigUint64(4);
    const pending = this.find(cookie);
    const isDone = (flags & CHUNK_DONE) !== 0;
    await this.takePayload(pending, type, header.getUint32(12));
    if (isDone) this.settle(cookie, pending);
  }

  private async takePayload(pending: Pending, type: number, length: number): Promise<void> {
    if (type === CHUNK.offsetData && length > 8) {
      const offset = Number(viewOf(await this.link.input.take(8)).getBigUint64(0));
      placeOf(pending, offset, length - 8).set(await this.link.input.take(length - 8));
      return;
    }
    if (length > MAX_TOLD_BYTES) throw new NbdConnectionError(`a chunk of type ${type} with ${length} bytes`);
    const payload = await this.link.input.take(length);
    const view = viewOf(payload);
    if (type === CHUNK.none && length === 0) return;
    if (type === CHUNK.offsetHole && length === 12) {
      placeOf(pending, Number(view.getBigUint64(0)), view.getUint32(8)).fill(0);
    } else if (type === CHUNK.blockStatus && length >= 12) {
      if (view.getUint32(0) === this.disk.allocationId) pending.extents?.push(...decodeExtents(payload.subarray(4)));
    } else if (type & CHUNK_ERROR_BIT && length >= 6) {
      const name = errnoName(view.getUint32(0));
      const message = text(payload.subarray(6, 6 + Math.min(view.getUint16(4), MAX_STRING_BYTES)));
      pending.error ??= new NbdError(name, `the NBD server answered ${name}${message && `: ${message}`}`);
    } else throw new NbdConnectionError(`a chunk of type ${type} with ${length} bytes`);
  }

  private find(cookie: bigint): Pending {
    const pending = this.pending.get(cookie);
    if (!pending) throw new NbdConnectionError('a reply to no request');
    return pending;
  }

  private settle(cookie: bigint, pending: Pending): void {
    this.pending.delete(cookie);
    if (pending.error) pending.reject(pending.error);
    else pending.resolve();
  }
}

interface Command {
  readonly command: number;
  readonly flags?: number;
  readonly offset: number;
  readonly length: number;
  readonly data?: Uint8Array;
}

/** Where a chunk's content goes in what is being read; throws an NbdConnectionError if that is not there. */
function placeOf({ into, offset: from }: Pending, offset: number, size: number): Uint8Array {
  const at = offset - from;
  if (!into || at < 0 || at + size > into.length) throw new NbdConnectionError('a reply with data nobody asked for');
  return into.subarray(at, at + size);
}
