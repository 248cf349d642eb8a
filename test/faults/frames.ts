/** The migration stream as somebody in between sees it: whole frames (protocol.ts has their form). */
import { FRAME_HEADER_BYTES, OPENING_BYTES } from '../../libs/migration/protocol.js';

/** Types of frames, as in protocol.ts. */
export const FRAME = {
  HELLO: 1,
  RAM: 3,
  ITERATION: 4,
  STATE: 6,
  LOADED: 8,
  COMMIT: 9,
  JOIN: 12,
  REQUEST: 14,
  RECOVER: 16,
  COMPRESSED: 32,
} as const;

export interface Frame {
  readonly type: number;
  /** With the header, and for the first one with the opening. */
  readonly bytes: Buffer;
  /** A message's content. */
  json(): unknown;
}

/** Puts the chunks of one direction together to frames. */
export class FrameSplitter {
  private rest = Buffer.alloc(0);
  private openingBytes = OPENING_BYTES;

  push(chunk: Buffer): Frame[] {
    this.rest = Buffer.concat([this.rest, chunk]);
    const frames: Frame[] = [];
    for (;;) {
      const header = this.openingBytes + FRAME_HEADER_BYTES;
      if (this.rest.length < header) return frames;
      const end = header + this.rest.readUInt32LE(this.openingBytes + 8);
      if (this.rest.length < end) return frames;
      const bytes = this.rest.subarray(0, end);
      frames.push({
        type: bytes.readUInt32LE(this.openingBytes + 12),
        bytes,
        json: () => JSON.parse(bytes.subarray(header).toString()),
      });
      this.rest = this.rest.subarray(end);
      this.openingBytes = 0;
    }
  }
}
