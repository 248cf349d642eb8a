/** The block device (virtio 1.2, section 5.2). Requests are carried out at once, all together, and end in any order. */
import { checkFields } from '../device.js';
import { BLK_QUEUE_SIZE, blkConfig, blkFeatures, CONFIG_WRITEBACK, type BlkOptions } from './blk-config.js';
import { F_CONFIG_WCE, F_FLUSH } from './blk-config.js';
import { isOnDisk, readRanges, readRequest, S_IOERR, S_OK, S_UNSUPP } from './blk-request.js';
import {
  T_DISCARD,
  T_FLUSH,
  T_GET_ID,
  T_IN,
  T_OUT,
  T_WRITE_ZEROES,
  type BlkRequest,
  type Status,
} from './blk-request.js';
import { BlockError, BlockHeld, type BlockBackend } from './block-backend.js';
import { readConfigBytes, type VirtioDevice, type VirtioSlot } from './device.js';
import { scatter, spanBytes, type Chain, type Span } from './queue.js';

const ID_SIZE = 20;

/** A request that waits until the guest goes on. */
interface HeldRequest {
  readonly queue: number;
  /** Descriptor that its chain begins with. */
  readonly head: number;
}

export interface BlkState {
  /** 0 or 1: what the driver reads in the configuration. */
  readonly writeCache: number;
  /** The guest knows the disk with this size, which must be the same everywhere. */
  readonly sizeBytes: number;
  readonly logicalBlockSize: number;
  /** 0 or 1. */
  readonly isReadOnly: number;
  readonly held: readonly HeldRequest[];
}

export class VirtioBlk implements VirtioDevice<BlkState> {
  readonly deviceId = 2;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  private readonly config: Uint8Array;
  private readonly disk: { readonly sizeBytes: number; readonly logicalBlockSize: number };
  private slot!: VirtioSlot;
  private held: HeldRequest[] = [];
  /** The guest goes on: to be tried again. */
  private again: HeldRequest[] = [];
  private underWay = 0;
  private drained: Promise<void> | undefined;
  private settleDrained = () => {};

  constructor(
    private readonly backend: BlockBackend,
    private readonly options: BlkOptions,
  ) {
    this.features = blkFeatures(backend, options);
    this.config = blkConfig(backend, options);
    this.queueSizes = Array.from({ length: options.queues }, () => BLK_QUEUE_SIZE);
    this.disk = { sizeBytes: backend.sizeBytes, logicalBlockSize: options.logicalBlockSize };
  }

  attach(slot: VirtioSlot): void {
    this.slot = slot;
  }

  readConfig(offset: number, size: number): number {
    return readConfigBytes(this.config, offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    if (offset !== CONFIG_WRITEBACK || size !== 1 || !(this.slot.features & F_CONFIG_WCE)) return;
    this.config[CONFIG_WRITEBACK] = value & 1;
  }

  notified(index: number): void {
    const queue = this.slot.queues[index]!;
    if (this.again.length > 0) this.tryAgain(index);
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      this.begin(index, chain);
    }
  }

  reset(): void {
    this.config[CONFIG_WRITEBACK] = this.options.writeCache ? 1 : 0;
    this.held = [];
    this.again = [];
  }

  drain(): Promise<void> | undefined {
    if (this.underWay === 0) return undefined;
    this.drained ??= new Promise((resolve) => (this.settleDrained = resolve));
    return this.drained;
  }

  async quiesce(): Promise<void> {
    await this.drain();
  }

  resume(): void {
    this.again.push(...this.held.splice(0)); // `notified` follows
  }

  save(): BlkState {
    return {
      ...this.disk,
      writeCache: this.config[CONFIG_WRITEBACK]!,
      isReadOnly: Number(this.backend.isReadOnly),
      held: [...this.held, ...this.again],
    };
  }

  restore(state: BlkState): void {
    checkFields('virtio-blk', { ...state }, { writeCache: 1, isReadOnly: 1, sizeBytes: Number.MAX_SAFE_INTEGER });
    const here = this.save();
    for (const field of ['sizeBytes', 'logicalBlockSize', 'isReadOnly'] as const) {
      if (state[field] !== here[field]) {
        throw new RangeError(`virtio-blk state: ${field} is ${state[field]}, but ${here[field]} of the disk here`);
      }
    }
    this.config[CONFIG_WRITEBACK] = state.writeCache;
    this.held = heldRequests(state.held, this.queueSizes);
  }

  /** Requests of this queue that were held and can be read by now. */
  private tryAgain(index: number): void {
    const requests = this.again;
    this.again = [];
    for (const request of requests) {
      const chain = request.queue === index ? this.slot.queues[index]!.taken(request.head) : undefined;
      if (chain) this.begin(index, chain);
      else this.again.push(request);
    }
  }

  private begin(queue: number, chain: Chain): void {
    void this.serve(queue, readRequest(this.slot.memory, chain));
  }

  private async serve(index: number, request: BlkRequest): Promise<void> {
    this.underWay++;
    const status = await this.carryOut(request);
    if (status === 'held') this.held.push({ queue: index, head: request.chain.head });
    else this.answer(index, request, status);
    if (--this.underWay > 0) return;
    this.drained = undefined;
    this.settleDrained();
  }

  private answer(index: number, request: BlkRequest, status: Status): void {
    this.slot.memory.write8(request.statusAddress, status);
    const isAllWritten = status === S_OK || request.writable.length === 0;
    this.slot.queues[index]!.push(request.chain, isAllWritten ? spanBytes(request.chain.writable) : 0);
  }

  private async carryOut(request: BlkRequest): Promise<Status | 'held'> {
    try {
      switch (request.type) {
        case T_IN:
          return await this.read(request);
        case T_OUT:
          return await this.write(request);
        case T_FLUSH:
          await this.backend.flush();
          return S_OK;
        case T_GET_ID:
          return this.identify(request);
        case T_DISCARD:
        case T_WRITE_ZEROES:
          return await this.clear(request);
        default:
          return S_UNSUPP;
      }
    } catch (error) {
      if (error instanceof BlockHeld) return 'held';
      if (error instanceof BlockError) return S_IOERR;
      throw error;
    }
  }

  private async read({ offset, writable }: BlkRequest): Promise<Status> {
    if (!isOnDisk(this.disk, offset, spanBytes(writable))) return S_IOERR;
    try {
      await this.backend.read(this.views(writable), offset);
    } finally {
      for (const { address, size } of writable) this.slot.memory.written(address, size); // also what came before an error
    }
    return S_OK;
  }

  private async write({ offset, readable }: BlkRequest): Promise<Status> {
    if (this.backend.isReadOnly || !isOnDisk(this.disk, offset, spanBytes(readable))) return S_IOERR;
    await this.backend.write(this.views(readable), offset);
    if (!this.writesBack()) await this.backend.flush();
    return S_OK;
  }

  private identify({ writable }: BlkRequest): Status {
    const id = new Uint8Array(ID_SIZE);
    id.set(new TextEncoder().encode(this.options.serial).subarray(0, ID_SIZE));
    scatter(this.slot.memory, writable, id);
    return S_OK;
  }

  private async clear(request: BlkRequest): Promise<Status> {
    const discards = request.type === T_DISCARD;
    if (discards && !this.backend.canDiscard) return S_UNSUPP;
    if (this.backend.isReadOnly) return S_IOERR;
    const ranges = readRanges(this.slot.memory, request, this.disk);
    if (typeof ranges === 'number') return ranges;
    for (const { offset, size, mayUnmap } of ranges) {
      if (discards) await this.backend.discard(offset, size);
      else await this.backend.writeZeroes(offset, size, mayUnmap);
    }
    if (!this.writesBack()) await this.backend.flush();
    return S_OK;
  }

  /** Section 5.2.5.2: the driver chooses if it can; a driver that cannot flush gets no cache. */
  private writesBack(): boolean {
    const { features } = this.slot;
    return (features & (F_FLUSH | F_CONFIG_WCE)) !== 0n && this.config[CONFIG_WRITEBACK] === 1;
  }

  private views(spans: readonly Span[]): Uint8Array[] {
    return spans.map(({ address, size }) => this.slot.memory.view8(address, size));
  }
}

/** Throws a RangeError on requests that no queue can have. */
function heldRequests(held: unknown, queueSizes: readonly number[]): HeldRequest[] {
  if (!Array.isArray(held)) throw new RangeError('virtio-blk state: held is no list');
  return (held as readonly HeldRequest[]).map(({ queue, head }) => {
    checkFields('virtio-blk', { queue, head }, { queue: queueSizes.length - 1, head: BLK_QUEUE_SIZE - 1 });
    return { queue, head };
  });
}
