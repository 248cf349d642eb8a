/** The driver's side of a virtio-mmio device, as a guest's kernel plays it: what tests of devices talk through. */
import { VirtioMmio } from '../../libs/vmm/devices/virtio/mmio.js';
import type { VirtioDevice } from '../../libs/vmm/devices/virtio/device.js';
import { RAM_BASE } from '../../libs/vmm/layout.js';
import { GuestMemory } from '../../libs/vmm/memory.js';
import { PageWaiter } from '../../libs/vmm/missing-pages.js';

const MIB = 2 ** 20;
const F_VERSION_1 = 1n << 32n;
/** Rings lie here, QUEUE_AREA bytes for each queue; buffers behind them. */
const QUEUES = RAM_BASE + 0x1_0000;
const QUEUE_AREA = 0x8000;
export const BUFFERS = RAM_BASE + MIB;

export interface Buffer {
  readonly address: number;
  readonly size: number;
  readonly writable?: boolean;
}

export class VirtioDriver {
  readonly memory: GuestMemory;
  readonly transport: VirtioMmio;
  readonly pages: PageWaiter;
  /** Level of the interrupt line. */
  line = false;
  readonly errors: string[] = [];
  private readonly nextFree = new Map<number, number>();
  private readonly seenUsed = new Map<number, number>();

  constructor(device: VirtioDevice, memory = GuestMemory.create(4 * MIB, 1)) {
    this.memory = memory;
    this.pages = new PageWaiter(memory);
    this.transport = new VirtioMmio(device, {
      memory,
      arrival: (pages) => this.pages.arrival(pages),
      interrupt: (level) => (this.line = level),
      deviceError: (reason) => this.errors.push(reason),
    });
  }

  read(offset: number): number {
    return this.transport.read(offset, 4) >>> 0;
  }

  write(offset: number, value: number): void {
    this.transport.write(offset, 4, value);
  }

  get status(): number {
    return this.read(0x70);
  }

  /** Initializes the device as section 3.1 says, with `size` entries in each queue; returns the final status. */
  start(features = F_VERSION_1, size = 8): number {
    this.write(0x70, 0);
    this.write(0x70, 1);
    this.write(0x70, 3);
    for (const half of [0, 1]) {
      this.write(0x24, half);
      this.write(0x20, Number((features >> BigInt(32 * half)) & 0xffff_ffffn));
    }
    this.write(0x70, 11);
    this.transport.device.queueSizes.forEach((_, queue) => {
      this.write(0x30, queue);
      this.write(0x38, size);
      const { descriptors, available, used } = this.rings(queue);
      this.memory.fill(descriptors, QUEUE_AREA, 0);
      for (const [register, address] of [
        [0x80, descriptors],
        [0x90, available],
        [0xa0, used],
      ] as const) {
        this.write(register, address);
        this.write(register + 4, 0);
      }
      this.write(0x44, 1);
      this.nextFree.set(queue, 0);
      this.seenUsed.set(queue, 0);
    });
    this.write(0x70, 15);
    return this.status;
  }

  /** Makes a chain available without telling the device; returns its head. */
  add(queue: number, buffers: readonly Buffer[]): number {
    const { descriptors, available } = this.rings(queue);
    const size = this.transport.queues[queue]!.state.size;
    const head = this.nextFree.get(queue)! % size;
    buffers.forEach(({ address, size: bytes, writable }, index) => {
      const at = descriptors + ((head + index) % size) * 16;
      const flags = (index + 1 < buffers.length ? 1 : 0) | (writable ? 2 : 0);
      this.memory.write64(at, BigInt(address));
      this.memory.write32(at + 8, bytes);
      this.memory.write16(at + 12, flags);
      this.memory.write16(at + 14, (head + index + 1) % size);
    });
    this.nextFree.set(queue, head + buffers.length);
    const index = this.memory.read16(available + 2);
    this.memory.write16(available + 4 + (index % size) * 2, head);
    this.memory.write16(available + 2, (index + 1) & 0xffff);
    return head;
  }

  notify(queue: number): void {
    this.write(0x50, queue);
  }

  /** What the device has given back since the last call. */
  used(queue: number): { head: number; written: number }[] {
    const { used } = this.rings(queue);
    const size = this.transport.queues[queue]!.state.size;
    const done = [];
    let seen = this.seenUsed.get(queue)!;
    for (; seen !== this.memory.read16(used + 2); seen = (seen + 1) & 0xffff) {
      const at = used + 4 + (seen % size) * 8;
      done.push({ head: this.memory.read32(at), written: this.memory.read32(at + 4) });
    }
    this.seenUsed.set(queue, seen);
    return done;
  }

  rings(queue: number): { descriptors: number; available: number; used: number } {
    const base = QUEUES + queue * QUEUE_AREA;
    return { descriptors: base, available: base + 0x4000, used: base + 0x5000 };
  }
}
