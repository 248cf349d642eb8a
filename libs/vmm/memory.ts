/**
 * A VM's shared WebAssembly memory: guest RAM for devices and loaders, by guest-physical address. This is the devices'
 * half of the one write path: every write is stored first and only then logged in DIRTY, so that a dirty-log sync that
 * comes in between sends the page once more instead of losing the write.
 */
import {
  CODE,
  CODE_VERSION,
  DIRTY,
  H_QUIET,
  MACHINE,
  MAX_HARTS,
  MISSING,
  M_CODE_CHANGES,
  M_HARTS,
  M_MISSING_PAGES,
  M_RAM_SIZE,
  M_TIME_STOPPED,
  PAGE_SIZE,
  RAM,
  RAM_BASE,
} from './layout.js';
import { add32, clear32, hartBlock, load32, loadU64, or32, store32, store64, type Shared } from './shared.js';
import { addressesFor, mostMemoryBytes, newSharedMemory, type AddressType } from './wasm-memory.js';

const MIB = 2 ** 20;
/** The most RAM that a VM can have here: RAM begins at RAM inside of the WebAssembly memory. */
export const MAX_RAM_BYTES = mostMemoryBytes() - RAM;

/** Number of the page of RAM that a guest-physical address lies on. */
const pageOf = (address: number): number => Math.floor((address - RAM_BASE) / PAGE_SIZE);

export class GuestMemory implements Shared {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly dwords: BigInt64Array;
  private readonly halves: Uint16Array;
  /** Little-endian is up to the caller, as with every DataView. */
  readonly view: DataView;
  readonly ramBytes: number;
  readonly ramPages: number;
  readonly harts: number;

  /** Attaches to the memory of a VM, in any thread. */
  constructor(readonly memory: WebAssembly.Memory) {
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Int32Array(memory.buffer);
    this.dwords = new BigInt64Array(memory.buffer);
    this.halves = new Uint16Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.ramBytes = Number(loadU64(this, MACHINE + M_RAM_SIZE));
    this.ramPages = this.ramBytes / PAGE_SIZE;
    this.harts = load32(this, MACHINE + M_HARTS);
  }

  /** What code that works on the memory of a VM with so much RAM must be compiled for. */
  static addressesFor(ramBytes: number): AddressType {
    return addressesFor(RAM + ramBytes);
  }

  /** A new VM's memory: RAM zeroed and clean. Throws a RangeError that says which sizes are possible. */
  static create(ramBytes: number, harts: number): GuestMemory {
    if (!Number.isInteger(ramBytes / MIB) || ramBytes < MIB || ramBytes > MAX_RAM_BYTES) {
      throw new RangeError(
        `guest RAM of ${ramBytes / MIB} MiB is not possible: choose a whole number of MiB from 1 to ${MAX_RAM_BYTES / MIB}`,
      );
    }
    if (!Number.isInteger(harts) || harts < 1 || harts > MAX_HARTS) {
      throw new RangeError(`${harts} harts are not possible: choose 1 to ${MAX_HARTS}`);
    }
    const memory = newSharedMemory(RAM + ramBytes);
    const fields = { bytes: new Uint8Array(memory.buffer), words: new Int32Array(memory.buffer) };
    const shared = { ...fields, dwords: new BigInt64Array(memory.buffer) };
    store64(shared, MACHINE + M_RAM_SIZE, BigInt(ramBytes));
    store32(shared, MACHINE + M_HARTS, harts);
    store32(shared, MACHINE + M_TIME_STOPPED, 1);
    for (let hart = 0; hart < harts; hart++) store32(shared, hartBlock(hart) + H_QUIET, -1); // no threads yet
    return new GuestMemory(memory);
  }

  /** What code that works on this memory must be compiled for. */
  get addresses(): AddressType {
    return GuestMemory.addressesFor(this.ramBytes);
  }

  /** True if all `size` bytes at `address` lie in RAM. */
  isRam(address: number, size: number): boolean {
    return address >= RAM_BASE && size >= 0 && address + size <= RAM_BASE + this.ramBytes;
  }

  /** Where guest-physical `address` lies in the WebAssembly memory. Throws a RangeError unless all `size` bytes are RAM. */
  offsetOf(address: number, size: number): number {
    if (!this.isRam(address, size)) {
      const range = `0x${address.toString(16)}..0x${(address + size).toString(16)}`;
      const ram = `0x${RAM_BASE.toString(16)}..0x${(RAM_BASE + this.ramBytes).toString(16)}`;
      throw new RangeError(`guest-physical ${range} lies outside RAM, which is ${ram}`);
    }
    return RAM + (address - RAM_BASE);
  }

  /** False in post-copy, while there are pages that may not be touched, since their content is still to come. */
  get isComplete(): boolean {
    return load32(this, MACHINE + M_MISSING_PAGES) === 0;
  }

  /** Numbers of the pages that are missing of these bytes of RAM. */
  missingPages(address: number, size: number): number[] {
    if (size === 0 || this.isComplete) return [];
    const pages: number[] = [];
    const last = pageOf(address + size - 1);
    for (let page = pageOf(address); page <= last; page++) {
      if (this.isMissing(page)) pages.push(page);
    }
    return pages;
  }

  isMissing(page: number): boolean {
    return (load32(this, MISSING + (page >>> 5) * 4) & (1 << (page & 31))) !== 0;
  }

  read8(address: number): number {
    return this.view.getUint8(this.offsetOf(address, 1));
  }

  read16(address: number): number {
    return this.view.getUint16(this.offsetOf(address, 2), true);
  }

  read32(address: number): number {
    return this.view.getUint32(this.offsetOf(address, 4), true);
  }

  read64(address: number): bigint {
    return this.view.getBigUint64(this.offsetOf(address, 8), true);
  }

  /** A copy of `size` bytes of RAM. */
  readBytes(address: number, size: number): Uint8Array {
    const offset = this.offsetOf(address, size);
    return this.bytes.slice(offset, offset + size);
  }

  /**
   * The bytes themselves, for devices whose backend reads or fills them without a copy. Who fills them calls `written`
   * afterwards.
   */
  view8(address: number, size: number): Uint8Array {
    const offset = this.offsetOf(address, size);
    return this.bytes.subarray(offset, offset + size);
  }

  /** Logs bytes that were filled through `view8`. */
  written(address: number, size: number): void {
    this.offsetOf(address, size);
    this.logWrite(address, size);
  }

  /** Reads two bytes at an even address; what the guest wrote before them is seen from then on. */
  load16(address: number): number {
    return Atomics.load(this.halves, this.offsetOf(address, 2) / 2);
  }

  /** Writes two bytes at an even address; a guest that sees them sees all that was written before. */
  publish16(address: number, value: number): void {
    Atomics.store(this.halves, this.offsetOf(address, 2) / 2, value);
    this.logWrite(address, 2);
  }

  write8(address: number, value: number): void {
    this.view.setUint8(this.offsetOf(address, 1), value);
    this.logWrite(address, 1);
  }

  write16(address: number, value: number): void {
    this.view.setUint16(this.offsetOf(address, 2), value, true);
    this.logWrite(address, 2);
  }

  write32(address: number, value: number): void {
    this.view.setUint32(this.offsetOf(address, 4), value, true);
    this.logWrite(address, 4);
  }

  write64(address: number, value: bigint): void {
    this.view.setBigUint64(this.offsetOf(address, 8), value, true);
    this.logWrite(address, 8);
  }

  writeBytes(address: number, content: Uint8Array): void {
    this.bytes.set(content, this.offsetOf(address, content.length));
    this.logWrite(address, content.length);
  }

  fill(address: number, size: number, value: number): void {
    const offset = this.offsetOf(address, size);
    this.bytes.fill(value, offset, offset + size);
    this.logWrite(address, size);
  }

  /** Sets the DIRTY bits of the pages that the bytes lie on; after the store, always. */
  private logWrite(address: number, size: number): void {
    if (size === 0) return;
    const last = pageOf(address + size - 1);
    for (let page = pageOf(address); page <= last; page++) or32(this, DIRTY + (page >>> 5) * 4, 1 << (page & 31));
    codeWritten(this, address, size);
  }
}

/** Makes the harts' next FENCE.I forget what they decoded of these bytes; after the store, always. See cpu/code-pages. */
export function codeWritten(shared: Shared, address: number, size: number): void {
  const last = pageOf(address + size - 1);
  for (let page = pageOf(address); page <= last; page++) {
    const word = CODE + (page >>> 5) * 4;
    const bit = 1 << (page & 31);
    if ((load32(shared, word) & bit) === 0) continue;
    clear32(shared, word, bit);
    add32(shared, CODE_VERSION + page * 4, 1);
    add32(shared, MACHINE + M_CODE_CHANGES, 1);
  }
}
