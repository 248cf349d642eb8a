/** A connection, filled by whoever owns sockets; and what is read from one, piece by piece. */
import { NbdConnectionError } from './errors.js';

export interface NbdStream {
  /** What arrives; taken only as fast as it is asked for. Throws when the connection fails. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Sends the parts, nothing between them. Resolves when more may be sent; rejects if the connection has failed. */
  write(...parts: readonly Uint8Array[]): Promise<void>;
  /** Lets what was written leave, and ends the connection in both directions. */
  close(): void;
}

/** Encrypts the connection (as its client, or its server) once both sides have agreed on that. Rejects if they fail to. */
export type Encrypt = () => Promise<NbdStream>;

/** The two directions of a connection, which both change when it is encrypted. */
export class NbdLink {
  private reader: ByteReader;
  private isSecure = false;

  /** `encryption`: how to encrypt it, which is done before anything else is said; null: it is never encrypted. */
  constructor(
    private stream: NbdStream,
    private readonly encryption: Encrypt | null,
  ) {
    this.reader = new ByteReader(stream.input);
  }

  /** It shall be encrypted, and is not yet. */
  get isBare(): boolean {
    return this.encryption !== null && !this.isSecure;
  }

  get input(): ByteReader {
    return this.reader;
  }

  write(...parts: readonly Uint8Array[]): Promise<void> {
    return this.stream.write(...parts);
  }

  close(): void {
    this.stream.close();
  }

  /** Rejects with an NbdConnectionError: also if the peer has sent anything that it should have encrypted. */
  async encrypt(): Promise<void> {
    if (this.reader.hasRest) throw new NbdConnectionError('what follows STARTTLS must be encrypted, and was not');
    try {
      this.stream = await this.encryption!();
    } catch (error) {
      throw new NbdConnectionError((error as Error).message, { cause: error });
    }
    this.reader = new ByteReader(this.stream.input);
    this.isSecure = true;
  }
}

export class ByteReader {
  private readonly chunks: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(input: AsyncIterable<Uint8Array>) {
    this.chunks = input[Symbol.asyncIterator]();
  }

  /** More has been read from the connection than was taken. */
  get hasRest(): boolean {
    return this.rest.length > 0;
  }

  /** The next `size` bytes. Rejects with an NbdConnectionError if the connection ends before. */
  async take(size: number): Promise<Uint8Array> {
    const bytes = await this.takeUnlessEnded(size);
    if (!bytes) throw new NbdConnectionError('the connection was closed');
    return bytes;
  }

  /** The same, but undefined if the connection ends here, before the first of them. */
  async takeUnlessEnded(size: number): Promise<Uint8Array | undefined> {
    if (this.rest.length >= size) return this.cut(size);
    const bytes = new Uint8Array(size);
    for (let filled = 0; filled < size;) {
      if (this.rest.length === 0 && !(await this.refill())) {
        if (filled === 0) return undefined;
        throw new NbdConnectionError(`the connection was closed after ${filled} of ${size} bytes`);
      }
      const piece = this.cut(Math.min(this.rest.length, size - filled));
      bytes.set(piece, filled);
      filled += piece.length;
    }
    return bytes;
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) {
      if (this.rest.length === 0 && !(await this.refill())) throw new NbdConnectionError('the connection was closed');
      left -= this.cut(Math.min(this.rest.length, left)).length;
    }
  }

  private cut(size: number): Uint8Array {
    const piece = this.rest.subarray(0, size);
    this.rest = this.rest.subarray(size);
    return piece;
  }

  /** False at the end. */
  private async refill(): Promise<boolean> {
    try {
      const { value, done } = await this.chunks.next();
      if (done) return false;
      this.rest = value;
      return true;
    } catch (error) {
      throw new NbdConnectionError((error as Error).message, { cause: error });
    }
  }
}
