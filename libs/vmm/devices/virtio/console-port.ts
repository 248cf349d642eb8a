/** One port of a console device: bytes between two virtqueues and somebody on the host. */
import { checkFields, checkList } from '../device.js';
import type { GuestMemory } from '../../memory.js';
import { gather, scatter, slice, spanBytes, type Virtqueue } from './queue.js';

/** Bytes of the host that wait for buffers of the driver; more have to wait on the host's side. */
const MAX_RECEIVED_BYTES = 4096;
/** So much of a driver's buffer is copied at a time. */
const CHUNK_BYTES = 64 * 1024;

/** Whoever is at the host's end of a port; apps/vmm fills this port with sockets and files. */
export interface PortBackend {
  /** Somebody is there. */
  readonly isOpen: boolean;
  /** It has taken more than it can pass on: no more until it says `writable`. */
  readonly isFull: boolean;
  /** Takes bytes of the guest; if nobody is there they are lost. */
  write(bytes: Uint8Array): void;
  /** The port has room again: what `receive` did not take may be offered once more. */
  readMore(): void;
  /** Once, before all else. */
  attach(port: PortEvents): void;
}

/** What a backend tells its port. */
export interface PortEvents {
  /** Offers bytes to the guest; returns how many were taken. */
  receive(bytes: Uint8Array): number;
  /** `isOpen` has changed. */
  openChanged(): void;
  /** `isFull` is false again. */
  writable(): void;
}

export interface PortOptions {
  readonly number: number;
  /** What the guest finds it by. */
  readonly name: string;
  /** The guest makes it a console (hvc). Its driver waits for every byte, so it never waits for the host: bytes are lost. */
  readonly isConsole: boolean;
  readonly backend: PortBackend;
  /** The guest has opened or closed it. */
  guestOpenChanged(isOpen: boolean): void;
}

export interface PortState {
  readonly number: number;
  /** 0 or 1: the driver knows the port; the guest has it open; the guest has been told that the host has. */
  readonly isReady: number;
  readonly isGuestOpen: number;
  readonly isHostOpen: number;
  /** Bytes of the transmit queue's next buffer that the host has already. */
  readonly sentBytes: number;
  /** What the host has sent and the guest not yet taken. */
  readonly received: readonly number[];
}

export class ConsolePort {
  isReady = false;
  /** What the driver was told last of the host's end. */
  isHostOpen = false;
  private isGuestOpen = false;
  private sentBytes = 0;
  private received: Uint8Array = new Uint8Array(0);

  constructor(readonly options: PortOptions) {}

  setGuestOpen(isOpen: boolean): void {
    if (this.isGuestOpen === isOpen) return;
    this.isGuestOpen = isOpen;
    this.options.guestOpenChanged(isOpen);
  }

  /** Takes what there is room for. */
  receive(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, MAX_RECEIVED_BYTES - this.received.length);
    const joined = new Uint8Array(this.received.length + taken.length);
    joined.set(this.received);
    joined.set(taken, this.received.length);
    this.received = joined;
    return taken.length;
  }

  /** Puts what the host has sent into buffers of the driver. */
  deliver(memory: GuestMemory, queue: Virtqueue): void {
    while (this.isGuestOpen && this.received.length > 0) {
      const chain = queue.pop();
      if (!chain) break;
      const bytes = scatter(memory, chain.writable, this.received);
      this.received = this.received.subarray(bytes);
      queue.push(chain, bytes);
    }
  }

  /** Hands over what the guest has put into the transmit queue, as far as the host takes it. */
  transmit(memory: GuestMemory, queue: Virtqueue): void {
    const { backend, isConsole } = this.options;
    for (;;) {
      if (backend.isOpen && backend.isFull && !isConsole) return;
      const chain = queue.pop();
      if (!chain) return;
      const size = spanBytes(chain.readable);
      while (this.sentBytes < size && backend.isOpen && !backend.isFull) {
        const part = gather(memory, slice(chain.readable, this.sentBytes, CHUNK_BYTES));
        backend.write(part);
        this.sentBytes += part.length;
      }
      if (this.sentBytes < size && backend.isOpen && !isConsole) {
        queue.unpop(1);
        return;
      }
      this.sentBytes = 0;
      queue.push(chain, 0);
    }
  }

  reset(): void {
    this.setGuestOpen(false);
    this.isReady = false;
    this.isHostOpen = false;
    this.sentBytes = 0;
    this.received = new Uint8Array(0); // it was meant for the guest of before
  }

  save(): PortState {
    return {
      number: this.options.number,
      isReady: Number(this.isReady),
      isGuestOpen: Number(this.isGuestOpen),
      isHostOpen: Number(this.isHostOpen),
      sentBytes: this.sentBytes,
      received: [...this.received],
    };
  }

  restore(state: PortState): void {
    const { number } = this.options;
    if (state.number !== number) throw new RangeError(`console state: port ${state.number}, here it is port ${number}`);
    const limits = { isReady: 1, isGuestOpen: 1, isHostOpen: 1, sentBytes: Number.MAX_SAFE_INTEGER };
    checkFields('console port', { ...state }, limits);
    checkList('console port', 'received', state.received, 0xff);
    if (state.received.length > MAX_RECEIVED_BYTES) {
      throw new RangeError(
        `console port state: received has ${state.received.length} bytes, at most ${MAX_RECEIVED_BYTES}`,
      );
    }
    this.isReady = state.isReady === 1;
    this.isHostOpen = state.isHostOpen === 1;
    this.sentBytes = state.sentBytes;
    this.received = Uint8Array.from(state.received);
    this.setGuestOpen(state.isGuestOpen === 1);
  }
}
