/**
 * Ethernet frames on a byte stream, as QEMU's `stream` and `socket` network backends carry them (QEMU, net/stream.c and
 * net_fill_rstate in net/net.c): a frame's length, 4 bytes big-endian, and the frame. A message here is both together.
 */

/** Bytes of the length before each frame. */
export const PREFIX_BYTES = 4;
/** The longest frame (QEMU's NET_BUFSIZE). */
export const MAX_FRAME_BYTES = 4096 + 65_536;

/** The stream is no stream of frames; nothing after that can be read. */
export class FramingError extends Error {
  override readonly name = 'FramingError';
}

/** The length that goes before a frame of `size` bytes. */
export const prefixOf = (size: number): Uint8Array =>
  Uint8Array.of(size >>> 24, (size >>> 16) & 0xff, (size >>> 8) & 0xff, size & 0xff);

/** Cuts a stream into messages; holds at most one that is not complete yet. */
export class MessageReader {
  private readonly prefix = new Uint8Array(PREFIX_BYTES);
  private prefixHeld = 0;
  /** A message of which `held` bytes have come. */
  private message: Uint8Array | null = null;
  private held = 0;

  /** `maxBytes`: of what follows the length. */
  constructor(private readonly maxBytes = MAX_FRAME_BYTES) {}

  /** The messages that are complete with these bytes, which they share. Throws a FramingError on an impossible length. */
  *read(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length;) {
      if (!this.message && this.prefixHeld === 0 && chunk.length - at >= PREFIX_BYTES) {
        const end = at + PREFIX_BYTES + this.sizeIn(chunk, at);
        if (end <= chunk.length) {
          yield chunk.subarray(at, end);
          at = end;
          continue;
        }
      }
      at += this.hold(chunk, at);
      if (this.message && this.held === this.message.length) {
        const { message } = this;
        this.message = null;
        this.prefixHeld = 0;
        yield message;
      }
    }
  }

  /** Keeps what belongs to a message that is not complete; returns how many bytes. */
  private hold(chunk: Uint8Array, at: number): number {
    if (!this.message) {
      const part = chunk.subarray(at, at + PREFIX_BYTES - this.prefixHeld);
      this.prefix.set(part, this.prefixHeld);
      this.prefixHeld += part.length;
      if (this.prefixHeld === PREFIX_BYTES) {
        this.message = new Uint8Array(PREFIX_BYTES + this.sizeIn(this.prefix, 0));
        this.message.set(this.prefix);
        this.held = PREFIX_BYTES;
      }
      return part.length;
    }
    const part = chunk.subarray(at, at + this.message.length - this.held);
    this.message.set(part, this.held);
    this.held += part.length;
    return part.length;
  }

  private sizeIn(bytes: Uint8Array, at: number): number {
    const size = bytes[at]! * 2 ** 24 + bytes[at + 1]! * 2 ** 16 + bytes[at + 2]! * 2 ** 8 + bytes[at + 3]!;
    if (size > this.maxBytes) throw new FramingError(`a frame of ${size} bytes; there is none over ${this.maxBytes}`);
    return size;
  }
}
