/**
 * A split virtqueue (virtio 1.2, section 2.7) as a device sees it: takes chains of buffers that the driver made
 * available and gives them back used. All that lies in guest RAM is the guest's word: what cannot be true throws a
 * VirtioError, for which the transport tells the driver that the device needs a reset.
 *
 * In post-copy a chain is there for the device only when all is there that it will touch for it: the rings, the
 * descriptors and the buffers. Until then there is none, and when the pages have come the device is made to look again.
 */
import type { GuestMemory } from '../../memory.js';

/** The driver broke a rule of the specification: the device stops until it is reset. */
export class VirtioError extends Error {
  override readonly name = 'VirtioError';
}

/** What the device is about to touch has not arrived. */
class PagesMissing extends Error {
  constructor(readonly pages: readonly number[]) {
    super(`${pages.length} pages are missing`);
  }
}

/** Bytes of guest RAM, by guest-physical address; they do lie in RAM. */
export interface Span {
  readonly address: number;
  readonly size: number;
}

/** One request: what the device may read comes before what it may write. */
export interface Chain {
  readonly head: number;
  readonly readable: readonly Span[];
  readonly writable: readonly Span[];
}

export interface QueueState {
  readonly ready: number;
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  /** Ring positions, modulo 2^16: the next to take, the next to give back. */
  readonly nextAvailable: number;
  readonly nextUsed: number;
}

/** What the driver has set for a queue, and how far the device has come. */
const UNUSED: QueueState = { ready: 0, size: 0, descriptors: 0, available: 0, used: 0, nextAvailable: 0, nextUsed: 0 };

export const MAX_QUEUE_SIZE = 1024;

const DESCRIPTOR_SIZE = 16;
const DESC_NEXT = 1;
const DESC_WRITE = 2;
const DESC_INDIRECT = 4;
const AVAIL_NO_INTERRUPT = 1;
const RING = 4;
const ADDRESS_LIMIT = 2 ** 53;

interface Descriptor extends Span {
  readonly flags: number;
  readonly next: number;
}

export class Virtqueue {
  state: QueueState = UNUSED;
  /** VIRTIO_F_EVENT_IDX was negotiated. */
  eventIndex = false;
  private isWaiting = false;

  /**
   * `interrupt`: the driver is to look at the used ring. `arrival`: resolves when none of these pages is missing any
   * more. `lookAgain`: the device is to look at this queue.
   */
  constructor(
    private readonly memory: GuestMemory,
    private readonly ports: {
      interrupt(): void;
      arrival(pages: readonly number[]): Promise<void>;
      lookAgain(): void;
    },
  ) {}

  reset(): void {
    this.state = UNUSED;
    this.eventIndex = false;
  }

  /** The next chain that the driver has made available; undefined if there is none, or the queue is not set up. */
  pop(): Chain | undefined {
    return this.state.ready ? this.ifPresent(() => this.take()) : undefined;
  }

  private take(): Chain | undefined {
    const { size, available, nextAvailable } = this.state;
    this.require(this.areas());
    const index = this.availableIndex();
    const waiting = (index - nextAvailable) & 0xffff;
    if (waiting > size) throw new VirtioError(`available ring: ${waiting} new entries in a queue of ${size}`);
    if (waiting === 0) return undefined;
    const head = this.memory.read16(available + RING + (nextAvailable % size) * 2);
    const chain = this.readChain(head);
    this.state = { ...this.state, nextAvailable: (nextAvailable + 1) & 0xffff };
    if (this.eventIndex) this.writeAvailableEvent();
    return chain;
  }

  /** A chain that was taken and not given back; undefined if pages of it are still to come: the device will look again. */
  taken(head: number): Chain | undefined {
    return this.ifPresent(() => {
      this.require(this.areas());
      return this.readChain(head);
    });
  }

  /** Leaves the chains that were taken last, so many, to be taken again. */
  unpop(count: number): void {
    this.state = { ...this.state, nextAvailable: (this.state.nextAvailable - count) & 0xffff };
  }

  /** Gives a chain back; `written`: bytes that the device has put into its writable part, from its beginning. */
  push(chain: Chain, written: number): void {
    this.pushTogether([{ chain, written }]);
  }

  /** Gives chains back that belong together: the driver sees all of them at once. */
  pushTogether(filled: readonly { readonly chain: Chain; readonly written: number }[]): void {
    const { size, used, nextUsed } = this.state;
    if (!this.state.ready) return; // the driver has taken the queue away meanwhile
    filled.forEach(({ chain, written }, index) => {
      const entry = used + RING + ((nextUsed + index) % size) * 8;
      this.memory.write32(entry, chain.head);
      this.memory.write32(entry + 4, written);
    });
    const next = (nextUsed + filled.length) & 0xffff;
    this.state = { ...this.state, nextUsed: next };
    this.memory.publish16(used + 2, next);
    if (this.wantsInterrupt(nextUsed, next)) this.ports.interrupt();
  }

  /** Throws unless a ready queue lies wholly in RAM, aligned (section 2.7), with a size that is a power of two. */
  check(): void {
    const { ready, size } = this.state;
    if (!ready) return;
    if (size < 1 || size > MAX_QUEUE_SIZE || (size & (size - 1)) !== 0) throw new VirtioError(`queue size ${size}`);
    for (const area of this.areas()) {
      if (area.address % area.alignment !== 0 || !this.memory.isRam(area.address, area.size)) {
        throw new VirtioError(`${area.name} at 0x${area.address.toString(16)}`);
      }
    }
  }

  /** True if chains can be given back; if not yet, the device will look at this queue when they can. */
  get isHere(): boolean {
    if (!this.state.ready) return true;
    const isHere = () => {
      this.require(this.areas());
      return true;
    };
    return this.ifPresent(isHere) ?? false;
  }

  private areas() {
    const { size, descriptors, available, used } = this.state;
    return [
      { name: 'descriptor table', address: descriptors, size: size * DESCRIPTOR_SIZE, alignment: 16 },
      { name: 'available ring', address: available, size: 6 + size * 2, alignment: 2 },
      { name: 'used ring', address: used, size: 6 + size * 8, alignment: 4 },
    ];
  }

  /** What `action` gives, or undefined if it requires pages that are missing. */
  private ifPresent<T>(action: () => T): T | undefined {
    if (this.memory.isComplete) return action();
    try {
      return action();
    } catch (error) {
      if (!(error instanceof PagesMissing)) throw error;
      if (!this.isWaiting) void this.wait(error.pages);
      return undefined;
    }
  }

  private async wait(pages: readonly number[]): Promise<void> {
    this.isWaiting = true;
    await this.ports.arrival(pages);
    this.isWaiting = false;
    this.ports.lookAgain();
  }

  private require(spans: readonly Span[]): void {
    if (this.memory.isComplete) return;
    const pages = spans.flatMap(({ address, size }) => this.memory.missingPages(address, size));
    if (pages.length > 0) throw new PagesMissing(pages);
  }

  private availableIndex(): number {
    return this.memory.load16(this.state.available + 2);
  }

  /** Asks to be notified at the next entry (section 2.7.10). */
  private writeAvailableEvent(): void {
    const { used, size, nextAvailable } = this.state;
    this.memory.publish16(used + RING + size * 8, nextAvailable);
  }

  private wantsInterrupt(before: number, after: number): boolean {
    const { available, size } = this.state;
    if (!this.eventIndex) return (this.memory.load16(available) & AVAIL_NO_INTERRUPT) === 0;
    const event = this.memory.load16(available + RING + size * 2);
    return ((after - event - 1) & 0xffff) < ((after - before) & 0xffff);
  }

  private readChain(head: number): Chain {
    const { descriptors, size } = this.state;
    const first = this.readDescriptor(descriptors, size, head);
    const table = first.flags & DESC_INDIRECT ? this.indirectTable(first) : undefined;
    const readable: Span[] = [];
    const writable: Span[] = [];
    const length = table?.length ?? size;
    let descriptor = table ? this.readDescriptor(table.address, length, 0) : first;
    for (let count = 1; ; count++) {
      if (descriptor.flags & DESC_INDIRECT) throw new VirtioError('an indirect descriptor inside a chain');
      if (descriptor.size > 0) this.sort(descriptor, readable, writable);
      if (!(descriptor.flags & DESC_NEXT)) break;
      if (count === length) throw new VirtioError(`a chain of more than ${length} descriptors`);
      descriptor = this.readDescriptor(table?.address ?? descriptors, length, descriptor.next);
    }
    this.require([...readable, ...writable]);
    return { head, readable, writable };
  }

  private sort({ address, size, flags }: Descriptor, readable: Span[], writable: Span[]): void {
    if (!this.memory.isRam(address, size)) {
      throw new VirtioError(`a buffer of ${size} bytes at 0x${address.toString(16)}, which is not RAM`);
    }
    if (flags & DESC_WRITE) writable.push({ address, size });
    else if (writable.length > 0) throw new VirtioError('a readable buffer behind a writable one');
    else readable.push({ address, size });
  }

  private indirectTable({ address, size, flags }: Descriptor): { address: number; length: number } {
    const length = size / DESCRIPTOR_SIZE;
    if (flags & DESC_NEXT || !Number.isInteger(length) || length < 1 || length > MAX_QUEUE_SIZE) {
      throw new VirtioError(`an indirect table of ${size} bytes`);
    }
    if (!this.memory.isRam(address, size)) throw new VirtioError(`an indirect table at 0x${address.toString(16)}`);
    this.require([{ address, size }]);
    return { address, length };
  }

  private readDescriptor(table: number, length: number, index: number): Descriptor {
    if (index >= length) throw new VirtioError(`descriptor ${index} of ${length}`);
    const at = table + index * DESCRIPTOR_SIZE;
    const { memory } = this;
    const address = memory.read32(at) + memory.read32(at + 4) * 2 ** 32;
    return {
      address: address < ADDRESS_LIMIT ? address : ADDRESS_LIMIT,
      size: memory.read32(at + 8),
      flags: memory.read16(at + 12),
      next: memory.read16(at + 14),
    };
  }
}

/** Number of bytes in all spans. */
export const spanBytes = (spans: readonly Span[]): number => spans.reduce((sum, { size }) => sum + size, 0);

/** The parts of `spans` that hold the bytes from `offset` on, at most `size` of them. */
export function slice(spans: readonly Span[], offset: number, size = Infinity): Span[] {
  const parts: Span[] = [];
  let skip = offset;
  let left = size;
  for (const span of spans) {
    const from = Math.min(skip, span.size);
    skip -= from;
    const length = Math.min(span.size - from, left);
    left -= length;
    if (length > 0) parts.push({ address: span.address + from, size: length });
  }
  return parts;
}

/** A copy of what lies in `spans`, one after the other. */
export function gather(memory: GuestMemory, spans: readonly Span[]): Uint8Array {
  const bytes = new Uint8Array(spanBytes(spans));
  let at = 0;
  for (const { address, size } of spans) {
    bytes.set(memory.view8(address, size), at);
    at += size;
  }
  return bytes;
}

/** Fills `spans` from their beginning; returns the bytes written, fewer than given if they do not fit. */
export function scatter(memory: GuestMemory, spans: readonly Span[], bytes: Uint8Array): number {
  let at = 0;
  for (const { address, size } of spans) {
    if (at === bytes.length) break;
    const part = bytes.subarray(at, at + size);
    memory.writeBytes(address, part);
    at += part.length;
  }
  return at;
}
