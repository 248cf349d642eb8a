/** One client of an NBD server: its handshake, then its requests, many at once, answered in the order in which they end. */
import { NbdConnectionError, NbdError } from './errors.js';
import type { NbdExport, NbdExports } from './export.js';
import { CHUNK, COMMAND, COMMAND_FLAG, ERRNO, MAX_PAYLOAD_BYTES, type NbdErrno } from './protocol.js';
import { negotiate, type Agreement } from './server-handshake.js';
import { type Encrypt, NbdLink, type NbdStream } from './stream.js';
import {
  blockStatusPayload,
  decodeRequest,
  errorPayload,
  onlyChunk,
  REQUEST_BYTES,
  simpleReply,
  u64,
  type Request,
} from './wire.js';

/** Further requests wait in the connection. */
const MAX_UNDER_WAY = 64;
const MAX_BYTES_UNDER_WAY = 2 * MAX_PAYLOAD_BYTES;

const { fua, noHole, df, reqOne } = COMMAND_FLAG;
/** Flags that each command may have; more is EINVAL. */
const FLAGS_OF: Readonly<Record<number, number>> = {
  [COMMAND.read]: df | fua,
  [COMMAND.write]: fua,
  [COMMAND.flush]: fua,
  [COMMAND.trim]: fua,
  [COMMAND.writeZeroes]: fua | noHole,
  [COMMAND.blockStatus]: reqOne | fua,
};
const WRITES: readonly number[] = [COMMAND.write, COMMAND.trim, COMMAND.writeZeroes];

export class NbdServerSession {
  private readonly link: NbdLink;
  private agreement: Agreement | undefined;
  private readonly underWay = new Set<Promise<void>>();
  private bytesUnderWay = 0;
  private isEnding = false;

  constructor(
    stream: NbdStream,
    private readonly exports: NbdExports,
    /** Hears of errors that are no NbdError: bugs, to be logged; the client is told EIO. */
    private readonly onBug: (error: unknown) => void,
    /** With it, clients that do not encrypt get nothing; null: there is no encryption. */
    encrypt: Encrypt | null = null,
  ) {
    this.link = new NbdLink(stream, encrypt);
  }

  /** The export that the client has chosen. */
  get export(): NbdExport | undefined {
    return this.agreement?.export;
  }

  /**
   * Serves the client until it leaves. Resolves when nothing of it is under way; rejects with an NbdConnectionError if
   * it was lost, or does not speak NBD.
   */
  async run(): Promise<void> {
    try {
      this.agreement = await negotiate(this.link, this.exports);
      while (this.agreement && !this.isEnding && (await this.next(this.agreement)));
    } finally {
      this.isEnding = true;
      await Promise.allSettled(this.underWay);
      this.link.close();
    }
  }

  /** Begins nothing new; resolves when what was under way is done and answered, and the connection closed. */
  async end(): Promise<void> {
    this.isEnding = true;
    await Promise.allSettled(this.underWay);
    this.link.close();
  }

  /** Takes one request; false when the client leaves. */
  private async next(agreement: Agreement): Promise<boolean> {
    const header = await this.link.input.takeUnlessEnded(REQUEST_BYTES);
    if (!header) return false;
    const request = decodeRequest(header);
    if (request.command === COMMAND.disconnect) return false;
    const hasPayload = request.command === COMMAND.write;
    if (hasPayload && request.length > MAX_PAYLOAD_BYTES) {
      throw new NbdConnectionError(`a write of ${request.length} bytes: at most ${MAX_PAYLOAD_BYTES} are taken`);
    }
    const bytes = hasPayload || request.command === COMMAND.read ? Math.min(request.length, MAX_PAYLOAD_BYTES) : 0;
    while (
      this.underWay.size >= MAX_UNDER_WAY ||
      (this.bytesUnderWay > 0 && this.bytesUnderWay + bytes > MAX_BYTES_UNDER_WAY)
    ) {
      await Promise.race(this.underWay);
    }
    const payload = hasPayload ? await this.link.input.take(request.length) : undefined;
    if (this.isEnding || this.exports.find(agreement.export.name) !== agreement.export) return false;
    this.bytesUnderWay += bytes;
    const answered = this.serve(agreement, request, payload).finally(() => {
      this.bytesUnderWay -= bytes;
      this.underWay.delete(answered);
    });
    this.underWay.add(answered);
    return true;
  }

  private async serve(agreement: Agreement, request: Request, payload: Uint8Array | undefined): Promise<void> {
    const reply = await this.carryOut(agreement, request, payload).catch((error: unknown) => {
      if (!(error instanceof NbdError)) this.onBug(error);
      return failure(agreement, request, error);
    });
    // A client that is gone is found by whoever reads from it.
    await this.link.write(...reply).catch(() => undefined);
  }

  private async carryOut(agreement: Agreement, request: Request, payload?: Uint8Array): Promise<Uint8Array[]> {
    check(agreement, request);
    const { export: disk, structuredReplies } = agreement;
    const { command, cookie, offset, length, flags } = request;
    switch (command) {
      case COMMAND.read: {
        const data = new Uint8Array(length);
        await disk.read(offset, data);
        if (!structuredReplies) return [simpleReply(cookie, 0), data];
        return [onlyChunk(cookie, CHUNK.offsetData, 8 + length), u64(BigInt(offset)), data];
      }
      case COMMAND.write:
        await disk.write(offset, payload!);
        break;
      case COMMAND.trim:
        await disk.trim(offset, length);
        break;
      case COMMAND.writeZeroes:
        await disk.writeZeroes(offset, length, (flags & noHole) === 0);
        break;
      case COMMAND.blockStatus: {
        const extents = await disk.extents(offset, length);
        const told = blockStatusPayload(agreement.allocationId!, flags & reqOne ? extents.slice(0, 1) : extents);
        return [onlyChunk(cookie, CHUNK.blockStatus, told.length), told];
      }
      case COMMAND.flush:
        break;
    }
    if (command === COMMAND.flush || (WRITES.includes(command) && flags & fua)) await disk.flush();
    return [simpleReply(cookie, 0)];
  }
}

/** Throws an NbdError unless the request may be carried out. */
function check({ export: disk, allocationId }: Agreement, { command, flags, offset, length }: Request): void {
  const allowed = FLAGS_OF[command];
  if (allowed === undefined) throw new NbdError('EINVAL', `command ${command} is not known here`);
  if (flags & ~allowed) throw new NbdError('EINVAL', `command ${command} cannot have the flags ${flags}`);
  if (WRITES.includes(command) && disk.isReadOnly) throw new NbdError('EPERM', 'the export is read-only');
  if (command === COMMAND.flush) {
    if (offset !== 0 || length !== 0) throw new NbdError('EINVAL', 'a flush has neither offset nor length');
    return;
  }
  if (length === 0) throw new NbdError('EINVAL', 'there is nothing to do in 0 bytes');
  if (offset + length > disk.sizeBytes) {
    const errno: NbdErrno = command === COMMAND.write || command === COMMAND.writeZeroes ? 'ENOSPC' : 'EINVAL';
    throw new NbdError(errno, `${offset} + ${length} lies behind the end at ${disk.sizeBytes}`);
  }
  if (command === COMMAND.read && length > MAX_PAYLOAD_BYTES) {
    throw new NbdError('EOVERFLOW', `at most ${MAX_PAYLOAD_BYTES} bytes are read at once`);
  }
  if (command === COMMAND.blockStatus && allocationId === undefined) {
    throw new NbdError('EINVAL', 'no metadata context was agreed on');
  }
}

function failure({ structuredReplies }: Agreement, { command, cookie }: Request, error: unknown): Uint8Array[] {
  const [errno, message] =
    error instanceof NbdError ? [ERRNO[error.errno], error.message] : [ERRNO.EIO, 'the server failed'];
  const needsChunk = command === COMMAND.read || command === COMMAND.blockStatus;
  if (!structuredReplies || !needsChunk) return [simpleReply(cookie, errno)];
  const payload = errorPayload(errno, message);
  return [onlyChunk(cookie, CHUNK.error, payload.length), payload];
}
