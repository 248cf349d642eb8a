import type { GuestMemory } from '#vmm';
import { until } from './abort.js';
import type { Codec } from './codec.js';
import { MigrationError } from './errors.js';
import type { Channel } from './ports.js';
import type { Messages, MessageType } from './protocol.js';
import { FRAME_HEADER_BYTES, MAX_PAYLOAD_BYTES, RAM_FRAME, encodeMessage, opening } from './protocol.js';
import { CONTROL, type Lane } from './scratch.js';

/**
 * Seals frames and hands them to the channel, in order. Batches of pages are built in slots of the VM's memory and
 * leave from there without a copy; a slot is free again when the channel has done with it.
 */
export class FrameWriter {
  /** Everything handed to the channel so far. */
  bytes = 0;
  private readonly free: number[];
  private waiting: (() => void)[] = [];
  private sequence = 0;

  constructor(
    private readonly memory: GuestMemory,
    private readonly codec: Codec,
    private readonly channel: Channel,
    private readonly lane: Lane,
  ) {
    this.free = [...lane.slots];
  }

  open(): void {
    void this.write(opening());
  }

  send<T extends MessageType>(type: T, body: Messages[T]): void {
    const { frameType, payload } = encodeMessage(type, body);
    if (payload.length > MAX_PAYLOAD_BYTES) {
      throw new MigrationError('machine', `${type} comes to ${payload.length} bytes, the most is ${MAX_PAYLOAD_BYTES}`);
    }
    this.memory.bytes.set(payload, CONTROL + FRAME_HEADER_BYTES);
    const frame = this.seal(CONTROL, frameType, payload.length);
    void this.write(frame.slice());
  }

  /** `slot` need not wait. */
  get hasSlot(): boolean {
    return this.free.length > 0;
  }

  /** Whether a slot is free. */
  get hasRoom(): boolean {
    return this.free.length > 0;
  }

  /** Address for the payload of the next batch; waits until a slot is free, rejects when the signal aborts. */
  async slot(signal: AbortSignal): Promise<number> {
    while (this.free.length === 0) await this.slotFreed(signal);
    signal.throwIfAborted();
    return this.free.at(-1)! + FRAME_HEADER_BYTES;
  }

  /** Resolves when all slots are free. */
  async drained(signal: AbortSignal): Promise<void> {
    while (this.free.length < this.lane.slots.length) await this.slotFreed(signal);
  }

  /** Keeps the slot that `slot` named for a batch that is not ready yet; `sendBatch` takes it back. */
  hold(): number {
    const slot = this.free.pop();
    if (slot === undefined) throw new Error('a batch without a slot');
    return slot + FRAME_HEADER_BYTES;
  }

  /** Sends the batch that was packed where `slot` said, or that `hold` has kept. */
  sendBatch(payloadBytes: number, type = RAM_FRAME, held = this.hold()): void {
    const slot = held - FRAME_HEADER_BYTES;
    void this.write(this.seal(slot, type, payloadBytes), () => {
      this.free.push(slot);
      for (const wake of this.waiting.splice(0)) wake();
    });
  }

  private slotFreed(signal: AbortSignal): Promise<void> {
    return until(signal, new Promise<void>((resolve) => this.waiting.push(resolve)));
  }

  /** Calls `onTaken` when the channel is done with the memory; never if the connection ends first, as `onClose` says. */
  private write(bytes: Uint8Array, onTaken = () => {}): Promise<void> {
    this.bytes += bytes.length;
    return this.channel.write(bytes).then(onTaken, () => undefined);
  }

  private seal(frame: number, type: number, payloadBytes: number): Uint8Array {
    const { view, bytes } = this.memory;
    view.setUint32(frame + 8, payloadBytes, true);
    view.setUint32(frame + 12, type, true);
    this.codec.seal(frame, FRAME_HEADER_BYTES - 8 + payloadBytes, this.sequence);
    this.sequence += 1;
    return bytes.subarray(frame, frame + FRAME_HEADER_BYTES + payloadBytes);
  }
}
