import type { GuestMemory } from '#vmm';
import type { Codec } from './codec.js';
import { MigrationError } from './errors.js';
import type { Inlet } from './inlet.js';
import { FRAME_HEADER_BYTES, OPENING_BYTES, checkOpening } from './protocol.js';
import type { Lane } from './scratch.js';

/** A frame whose checksum is right; its payload lies at `payload` in the VM's memory, during the call only. */
export type OnFrame = (type: number, payload: number, bytes: number) => void;

/**
 * Puts bytes together to frames, in the VM's memory, where the connection itself stores them. `filled` throws
 * MigrationError at the first byte that cannot be right.
 */
export class FrameReader implements Inlet {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly opening = new Uint8Array(OPENING_BYTES);
  /** Of the frame that comes: beside the lane until it is complete, so that nobody owes the lane anything in between. */
  private readonly header = new Uint8Array(FRAME_HEADER_BYTES);
  private opened = 0;
  private count = 0;
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
    return this.opened === OPENING_BYTES && this.count === 0;
  }

  /** Goes on in another lane, between two frames. */
  moveTo(lane: Lane): void {
    this.lane = lane;
  }

  room(): Uint8Array {
    if (this.opened < OPENING_BYTES) return this.opening.subarray(this.opened);
    if (this.count < FRAME_HEADER_BYTES) return this.header.subarray(this.count);
    const { receive } = this.lane;
    return this.bytes.subarray(receive + this.count, receive + this.frameBytes);
  }

  filled(bytes: number): void {
    if (this.opened < OPENING_BYTES) {
      this.opened += bytes;
      return checkOpening(this.opening.subarray(0, this.opened));
    }
    const headerWasMissing = this.count < FRAME_HEADER_BYTES;
    this.count += bytes;
    if (this.count < FRAME_HEADER_BYTES) return;
    if (headerWasMissing) this.bytes.set(this.header, this.lane.receive);
    if (this.count === this.frameBytes) this.complete();
  }

  /** What the frame comes to whose header is in the lane. */
  private get frameBytes(): number {
    const payloadBytes = this.view.getUint32(this.lane.receive + 8, true);
    const most = this.lane.receiveBytes - FRAME_HEADER_BYTES;
    if (payloadBytes > most) {
      throw new MigrationError('malformed', `a frame claims ${payloadBytes} bytes, the most is ${most}`);
    }
    return FRAME_HEADER_BYTES + payloadBytes;
  }

  private complete(): void {
    const { receive } = this.lane;
    const payloadBytes = this.count - FRAME_HEADER_BYTES;
    if (!this.codec.isIntact(receive, this.count - 8, this.sequence)) {
      throw new MigrationError(
        'checksum',
        `frame ${this.sequence} of the stream was changed on its way (wrong checksum)`,
      );
    }
    this.sequence += 1;
    this.count = 0;
    this.onFrame(this.view.getUint32(receive + 12, true), receive + FRAME_HEADER_BYTES, payloadBytes);
  }
}
