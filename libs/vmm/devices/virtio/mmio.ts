/** The virtio-mmio transport, version 2 (virtio 1.2, section 4.2): the registers between a driver and a VirtioDevice. */
import { checkFields, type Device } from '../device.js';
import type { GuestMemory } from '../../memory.js';
import type { VirtioDevice, VirtioSlot } from './device.js';
import { VirtioError, Virtqueue, type QueueState } from './queue.js';

const MAGIC = 0x7472_6976;
const VERSION = 2;
/** The vendor that QEMU names, too: drivers do not look at it. */
const VENDOR = 0x554d_4551;

// Registers (table 4.1).
const MAGIC_VALUE = 0x00;
const VERSION_REGISTER = 0x04;
const DEVICE_ID = 0x08;
const VENDOR_ID = 0x0c;
const DEVICE_FEATURES = 0x10;
const DEVICE_FEATURES_SEL = 0x14;
const DRIVER_FEATURES = 0x20;
const DRIVER_FEATURES_SEL = 0x24;
const QUEUE_SEL = 0x30;
const QUEUE_NUM_MAX = 0x34;
const QUEUE_NUM = 0x38;
const QUEUE_READY = 0x44;
const QUEUE_NOTIFY = 0x50;
const INTERRUPT_STATUS = 0x60;
const INTERRUPT_ACK = 0x64;
const STATUS = 0x70;
const QUEUE_DESC_LOW = 0x80;
const QUEUE_DRIVER_LOW = 0x90;
const QUEUE_DEVICE_LOW = 0xa0;
const SHM_LEN_LOW = 0xb0;
const SHM_BASE_HIGH = 0xbc;
const CONFIG_GENERATION = 0xfc;
const CONFIG = 0x100;

const INTERRUPT_USED = 1;
const INTERRUPT_CONFIG = 2;

// Device status (section 2.1).
const FEATURES_OK = 8;
const DRIVER_OK = 4;
const NEEDS_RESET = 64;

const F_INDIRECT_DESC = 1n << 28n;
const F_EVENT_IDX = 1n << 29n;
const F_VERSION_1 = 1n << 32n;
const TRANSPORT_FEATURES = F_INDIRECT_DESC | F_EVENT_IDX | F_VERSION_1;

export interface VirtioMmioState {
  readonly deviceId: number;
  readonly status: number;
  readonly deviceFeaturesSel: number;
  readonly driverFeaturesSel: number;
  readonly queueSel: number;
  readonly interruptStatus: number;
  readonly configGeneration: number;
  /** Accepted features, hexadecimal. */
  readonly features: string;
  readonly queues: readonly QueueState[];
  readonly device: unknown;
}

export interface VirtioPorts {
  readonly memory: GuestMemory;
  /** Resolves when none of these pages of RAM is missing any more. */
  arrival(pages: readonly number[]): Promise<void>;
  /** The level of the interrupt line has changed. */
  interrupt(level: boolean): void;
  /** What the driver did wrong; the device waits for a reset. For the log, once each time. */
  deviceError(reason: string): void;
}

export class VirtioMmio implements Device<VirtioMmioState>, VirtioSlot {
  readonly queues: readonly Virtqueue[];
  features = 0n;
  private status = 0;
  private deviceFeaturesSel = 0;
  private driverFeaturesSel = 0;
  private queueSel = 0;
  private interruptStatus = 0;
  private configGeneration = 0;
  private quiet = false;
  private isPlugged: boolean;
  private resetting: Promise<void> | undefined;

  constructor(
    readonly device: VirtioDevice,
    private readonly ports: VirtioPorts,
  ) {
    this.queues = device.queueSizes.map((_, index) => {
      const interrupt = () => this.raise(INTERRUPT_USED);
      const arrival = (pages: readonly number[]) => ports.arrival(pages);
      return new Virtqueue(ports.memory, { interrupt, arrival, lookAgain: () => this.look(index) });
    });
    this.isPlugged = device.isPluggedLater !== true;
    device.attach(this);
  }

  get memory(): GuestMemory {
    return this.ports.memory;
  }

  get driven(): boolean {
    return !this.quiet && !this.resetting && (this.status & (DRIVER_OK | NEEDS_RESET)) === DRIVER_OK;
  }

  /** There is no hot-plug of virtio-mmio: a driver that knows of this looks at the slot again when it interrupts. */
  plug(): void {
    if (this.isPlugged) return;
    this.isPlugged = true;
    this.raise(INTERRUPT_CONFIG);
  }

  unplug(): void {
    this.isPlugged = false;
    this.interruptStatus = 0;
    this.updateLine();
  }

  read(offset: number, size: number): number {
    if (!this.isPlugged) return size === 4 ? readEmpty(offset) : 0;
    if (offset >= CONFIG) return this.device.readConfig(offset - CONFIG, size);
    if (size !== 4) return 0; // all other registers are 32 bits wide (section 4.2.2.2)
    switch (offset) {
      case MAGIC_VALUE:
        return MAGIC;
      case VERSION_REGISTER:
        return VERSION;
      case DEVICE_ID:
        return this.device.deviceId;
      case VENDOR_ID:
        return VENDOR;
      case DEVICE_FEATURES:
        return word(this.device.features | TRANSPORT_FEATURES, this.deviceFeaturesSel);
      case QUEUE_NUM_MAX:
        return this.device.queueSizes[this.queueSel] ?? 0;
      case QUEUE_READY:
        return this.queues[this.queueSel]?.state.ready ?? 0;
      case INTERRUPT_STATUS:
        return this.interruptStatus;
      case STATUS:
        return this.status;
      case CONFIG_GENERATION:
        return this.configGeneration;
      default:
        return offset >= SHM_LEN_LOW && offset <= SHM_BASE_HIGH ? 0xffff_ffff : 0; // no shared memory region
    }
  }

  write(offset: number, size: number, value: number): void | Promise<void> {
    if (!this.isPlugged) return undefined;
    if (this.resetting) return offset === STATUS ? this.resetting : undefined;
    if (offset >= CONFIG) {
      this.run(() => this.device.writeConfig(offset - CONFIG, size, value));
      return;
    }
    if (size !== 4) return;
    switch (offset) {
      case DEVICE_FEATURES_SEL:
        this.deviceFeaturesSel = value;
        break;
      case DRIVER_FEATURES_SEL:
        this.driverFeaturesSel = value;
        break;
      case DRIVER_FEATURES:
        this.acceptFeatures(value);
        break;
      case QUEUE_SEL:
        this.queueSel = value;
        break;
      case QUEUE_NOTIFY:
        if (value < this.queues.length) this.look(value);
        break;
      case INTERRUPT_ACK:
        this.interruptStatus &= ~value;
        this.updateLine();
        break;
      case STATUS:
        if ((value & 0xff) === 0) return this.drainAndReset();
        this.setStatus(value & 0xff);
        break;
      default:
        this.writeQueue(offset, value);
    }
  }

  configChanged(): void {
    this.configGeneration = (this.configGeneration + 1) >>> 0;
    this.raise(INTERRUPT_CONFIG);
  }

  run(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof VirtioError)) throw error;
      if (this.status & NEEDS_RESET) return;
      this.status |= NEEDS_RESET;
      this.ports.deviceError(error.message);
      this.raise(INTERRUPT_CONFIG);
    }
  }

  reset(): void {
    this.device.reset();
    for (const queue of this.queues) queue.reset();
    this.features = 0n;
    this.status = 0;
    this.deviceFeaturesSel = 0;
    this.driverFeaturesSel = 0;
    this.queueSel = 0;
    this.interruptStatus = 0;
    this.configGeneration = 0;
    this.updateLine();
  }

  /** Resolves when the device touches neither guest memory nor its backend, which it then does not until `resume`. */
  async quiesce(): Promise<void> {
    this.quiet = true;
    await this.device.quiesce?.();
  }

  resume(): void {
    this.quiet = false;
    this.device.resume?.();
    for (const index of this.queues.keys()) this.look(index);
  }

  save(): VirtioMmioState {
    const { status, deviceFeaturesSel, driverFeaturesSel, queueSel, interruptStatus, configGeneration, device } = this;
    return {
      deviceId: device.deviceId,
      ...{ status, deviceFeaturesSel, driverFeaturesSel, queueSel, interruptStatus, configGeneration },
      features: this.features.toString(16),
      queues: this.queues.map((queue) => queue.state),
      device: device.save(),
    };
  }

  restore(state: VirtioMmioState): void {
    const { deviceId } = this.device;
    if (state.deviceId !== deviceId) {
      throw new RangeError(`virtio state: device ${state.deviceId}, this slot has device ${deviceId}`);
    }
    const sel = 0xffff_ffff;
    checkFields(
      'virtio',
      { ...state },
      {
        ...{ status: 0xff, deviceFeaturesSel: sel, driverFeaturesSel: sel, queueSel: sel },
        ...{ interruptStatus: 3, configGeneration: sel },
      },
    );
    if (!/^[0-9a-f]{1,16}$/.test(state.features)) throw new RangeError(`virtio state: features ${state.features}`);
    const features = BigInt(`0x${state.features}`);
    const unknown = features & ~(this.device.features | TRANSPORT_FEATURES);
    // Before it is told FEATURES_OK a driver may have written anything; it is then refused.
    if (unknown && state.status & FEATURES_OK)
      throw new RangeError(`virtio state: features 0x${unknown.toString(16)} are not offered here`);
    if (state.queues.length !== this.queues.length) {
      throw new RangeError(`virtio state: ${state.queues.length} queues, this device has ${this.queues.length}`);
    }
    state.queues.forEach((queue, index) => this.restoreQueue(index, queue));
    this.features = features;
    for (const queue of this.queues) queue.eventIndex = (features & F_EVENT_IDX) !== 0n;
    this.status = state.status;
    this.deviceFeaturesSel = state.deviceFeaturesSel;
    this.driverFeaturesSel = state.driverFeaturesSel;
    this.queueSel = state.queueSel;
    this.interruptStatus = state.interruptStatus;
    this.configGeneration = state.configGeneration;
    this.device.restore(state.device);
    this.quiet = true;
    this.updateLine();
  }

  private restoreQueue(index: number, state: QueueState): void {
    const address = Number.MAX_SAFE_INTEGER;
    const size = state.ready ? this.device.queueSizes[index]! : 0xffff_ffff; // a driver may try any before it is ready
    checkFields(
      'virtio queue',
      { ...state },
      {
        ...{ ready: 1, size, descriptors: address, available: address, used: address },
        ...{ nextAvailable: 0xffff, nextUsed: 0xffff },
      },
    );
    const queue = this.queues[index]!;
    queue.state = state;
    try {
      queue.check();
    } catch (error) {
      throw new RangeError(`virtio queue state: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Lets the device look at a queue if it is driven. */
  private look(index: number): void {
    if (this.driven && this.queues[index]!.state.ready) this.run(() => this.device.notified(index));
  }

  private acceptFeatures(value: number): void {
    if (this.status & FEATURES_OK || this.driverFeaturesSel > 1) return;
    const shift = BigInt(this.driverFeaturesSel * 32);
    const others = this.features & ~(0xffff_ffffn << shift);
    this.features = others | (BigInt(value >>> 0) << shift);
  }

  /**
   * A driver that has reset the device may use its buffers for something else at once (Linux does not look whether the
   * status has become 0), so requests under way have to end first (section 2.4.1).
   */
  private drainAndReset(): Promise<void> | undefined {
    const drained = this.device.drain?.();
    if (!drained) {
      this.reset();
      return undefined;
    }
    this.resetting = this.resetAfter(drained);
    return this.resetting;
  }

  private async resetAfter(drained: Promise<void>): Promise<void> {
    await drained;
    this.resetting = undefined;
    this.reset();
  }

  private setStatus(value: number): void {
    let next = value | (this.status & NEEDS_RESET);
    if (next & ~this.status & FEATURES_OK && !this.featuresFit()) next &= ~FEATURES_OK; // the driver reads it back
    const isReady = (next & ~this.status & DRIVER_OK) !== 0;
    this.status = next;
    for (const queue of this.queues) queue.eventIndex = (this.features & F_EVENT_IDX) !== 0n;
    if (isReady) this.device.driverReady?.();
    for (const index of this.queues.keys()) this.look(index);
  }

  private featuresFit(): boolean {
    const unknown = this.features & ~(this.device.features | TRANSPORT_FEATURES);
    return unknown === 0n && (this.features & F_VERSION_1) !== 0n;
  }

  private writeQueue(offset: number, value: number): void {
    const queue = this.queues[this.queueSel];
    if (!queue) return;
    const { state } = queue;
    if (offset === QUEUE_READY) {
      queue.state = { ...state, ready: value & 1, ...(value & 1 ? {} : { nextAvailable: 0, nextUsed: 0 }) };
      this.run(() => this.checkQueue(queue));
      return;
    }
    if (state.ready) return; // (section 4.2.2.2: not while the queue is ready)
    if (offset === QUEUE_NUM) queue.state = { ...state, size: value };
    else if ((offset & ~4) === QUEUE_DESC_LOW)
      queue.state = { ...state, descriptors: half(state.descriptors, offset, value) };
    else if ((offset & ~4) === QUEUE_DRIVER_LOW)
      queue.state = { ...state, available: half(state.available, offset, value) };
    else if ((offset & ~4) === QUEUE_DEVICE_LOW) queue.state = { ...state, used: half(state.used, offset, value) };
  }

  private checkQueue(queue: Virtqueue): void {
    const { state } = queue;
    const limit = this.device.queueSizes[this.queueSel]!;
    try {
      if (state.size > limit) throw new VirtioError(`queue size ${state.size}, at most ${limit}`);
      queue.check();
    } catch (error) {
      queue.state = { ...state, ready: 0 };
      throw error;
    }
  }

  private raise(bit: number): void {
    this.interruptStatus |= bit;
    this.updateLine();
  }

  private updateLine(): void {
    this.ports.interrupt(this.interruptStatus !== 0);
  }
}

/** Device 0 is no device; drivers pass it over (section 4.2.3.1.1). */
const readEmpty = (offset: number): number =>
  offset === MAGIC_VALUE ? MAGIC : offset === VERSION_REGISTER ? VERSION : 0;

/** 32 bits of a feature set. */
const word = (features: bigint, select: number): number =>
  select > 1 ? 0 : Number(BigInt.asUintN(32, features >> BigInt(select * 32)));

/** A 64-bit address of which the half that the register at `offset` holds is written; beyond 2^53 nothing is RAM. */
function half(address: number, offset: number, value: number): number {
  const low = address % 2 ** 32;
  const high = (address - low) / 2 ** 32;
  const next = offset & 4 ? (value >>> 0) * 2 ** 32 + low : high * 2 ** 32 + (value >>> 0);
  return Math.min(next, Number.MAX_SAFE_INTEGER);
}
