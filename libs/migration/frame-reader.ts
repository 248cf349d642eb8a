import type { GuestMemory } from '#vmm';
import type { Codec } from './codec.js';
import { MigrationError } from './errors.js';
import { FRAME_HEADER_BYTES, OPENING_BYTES, checkOpening } from './protocol.js';
import type { Lane } from './scratch.js';

/** A frame whose checksum is right; its payload lies at `payload` in the VM's memory, during the call only. */
export type OnFrame = (type: number, payload: number, bytes: number) => void;

/** Puts chunks together to frames. `push` throws MigrationError at the first byte that cannot be right. */
export class FrameReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly opening = new Uint8Array(OPENING_BYTES);
  private opened = 0;
  private filled = 0;
  private sequence = 0;

  constructor(
    memory: GuestMemory,
    private readonly codec: Codec,
    private lane: Lane,
    private readonly onFrame: OnFrame,
  ) {
    this.bytes = memory.bytes;
    this.view = memory.view;
  }

  /** True between two frames. */
  get isBetweenFrames(): boolean {
    return this.opened === OPENING_BYTES && this.filled === 0;
  }

  /** Goes on in another lane, with what has come of the next frame. */
  moveTo(lane: Lane): void {
    this.bytes.copyWithin(lane.receive, this.lane.receive, this.lane.receive + this.filled);
    this.lane = lane;
  }

  push(chunk: Uint8Array): void {
    let rest = this.opened < OPENING_BYTES ? this.open(chunk) : chunk;
    while (rest.length > 0) {
      const missing = this.frameBytes - this.filled;
      const part = rest.subarray(0, missing);
      this.bytes.set(part, this.lane.receive + this.filled);
      this.filled += part.length;
      rest = rest.subarray(part.length);
      if (this.filled === this.frameBytes) this.complete();
    }
  }

  /** What the frame that is coming comes to, as far as that is known: its header alone while that is incomplete. */
  private get frameBytes(): number {
    if (this.filled < FRAME_HEADER_BYTES) return FRAME_HEADER_BYTES;
    const payloadBytes = this.view.getUint32(this.lane.receive + 8, true);
    const most = this.lane.receiveBytes - FRAME_HEADER_BYTES;
    if (payloadBytes > most) {
      throw new MigrationError('malformed', `a frame claims ${payloadBytes} bytes, the most is ${most}`);
    }
    return FRAME_HEADER_BYTES + payloadBytes;
  }

  private open(chunk: Uint8Array): Uint8Array {
    const part = chunk.subarray(0, OPENING_BYTES - this.opened);
    this.opening.set(part, this.opened);
    this.opened += part.length;
    checkOpening(this.opening.subarray(0, this.opened));
    return chunk.subarray(part.length);
  }

  private complete(): void {
    const { receive } = this.lane;
    const payloadBytes = this.filled - FRAME_HEADER_BYTES;
    if (!this.codec.isIntact(receive, this.filled - 8, this.sequence)) {
      throw new MigrationError(
        'checksum',
        `frame ${this.sequence} of the stream was changed on its way (wrong checksum)`,
      );
    }
    this.sequence += 1;
    this.filled = 0;
    this.onFrame(this.view.getUint32(receive + 12, true), receive + FRAME_HEADER_BYTES, payloadBytes);
  }
}
