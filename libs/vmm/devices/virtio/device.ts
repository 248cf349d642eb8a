/** What stands behind a virtio transport: a device type of virtio 1.2, chapter 5. */
import type { GuestMemory } from '../../memory.js';
import type { Virtqueue } from './queue.js';

/** What a device finds in its slot of the board. */
export interface VirtioSlot {
  readonly memory: GuestMemory;
  readonly queues: readonly Virtqueue[];
  /** Features that the driver accepted, once it has (FEATURES_OK). */
  readonly features: bigint;
  /** The driver drives the device, and the guest is not held still: queues may be used. */
  readonly driven: boolean;
  /** Tells the driver that the configuration has changed. */
  configChanged(): void;
  /** Puts the device into the slot, and tells the guest by an interrupt; the other way round, the slot is empty. */
  plug(): void;
  unplug(): void;
  /** Carries out what a device does in its own time (I/O that has ended); what the driver did wrong stops the device. */
  run(action: () => void): void;
}

export interface VirtioDevice<State = unknown> {
  /** Device ID of chapter 5: 1 net, 2 block, 3 console, ... */
  readonly deviceId: number;
  /** Device features that are offered; the transport adds VERSION_1, INDIRECT_DESC and EVENT_IDX. */
  readonly features: bigint;
  /** Largest size of each queue. */
  readonly queueSizes: readonly number[];
  /** The slot is empty until the device is plugged in. */
  readonly isPluggedLater?: boolean;
  /** Once, before all else. */
  attach(slot: VirtioSlot): void;
  /** Reads 1, 2 or 4 bytes of the configuration space; bytes that do not exist are 0. */
  readConfig(offset: number, size: number): number;
  writeConfig(offset: number, size: number, value: number): void;
  /**
   * The driver has put something into a queue, or may have while the device was stopped. Never called while the device
   * is quiet or not driven. May throw a VirtioError.
   */
  notified(queue: number): void;
  /** The driver drives the device from now on (DRIVER_OK); its features are those of the slot. */
  driverReady?(): void;
  /** Back to power-on; what is under way must not touch guest memory any more, unless there is a `drain`. */
  reset(): void;
  /** Resolves when no request that was begun touches guest memory any more; undefined if none does now. */
  drain?(): Promise<void> | undefined;
  /** Begins nothing new; resolves when nothing that is under way touches guest memory or its backend any more. */
  quiesce?(): Promise<void>;
  /** The guest goes on, after a stop or at the other end of a migration; `notified` follows for every queue. */
  resume?(): void;
  /** State beside the transport's, as JSON. Only while quiet. */
  save(): State;
  /** Throws a RangeError on a state that this device cannot have. */
  restore(state: State): void;
}

/** Reads 1, 2 or 4 little-endian bytes of a configuration space that is laid out in `bytes`. */
export function readConfigBytes(bytes: Uint8Array, offset: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[offset + i] ?? 0);
  return value;
}
