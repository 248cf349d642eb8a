/**
 * Device writes that a hart need not wait for: it puts them into a ring and goes on, and the main thread carries them out
 * in order, before any later access of any hart. A console line costs one wake-up then instead of one for each letter.
 */
import { BOARD } from './board.js';
import {
  H_POSTED,
  H_POSTED_DONE,
  H_POSTED_MADE,
  MACHINE,
  M_DOORBELL,
  POSTED_ENTRIES,
  POSTED_ENTRY_SIZE,
} from './layout.js';
import { add32, hartBlock, load32, notify, store32, type Shared } from './shared.js';

/** Registers of a virtio transport whose writes are signals (Virtio 1.2, 4.2.2). */
const QUEUE_NOTIFY = 0x50;
const INTERRUPT_ACK = 0x64;

export interface DeviceWrite {
  readonly address: number;
  readonly size: number;
  readonly value: bigint;
}

interface Region {
  readonly base: number;
  readonly size: number;
}

const isIn = (address: number, { base, size }: Region): boolean => address >= base && address < base + size;

/** True for registers whose writes tell the writer nothing, not even by taking time. */
export function mayBePosted({ address, size }: DeviceWrite): boolean {
  if (isIn(address, BOARD.uart)) return size === 1;
  if (size !== 4) return false;
  if (isIn(address, BOARD.plic)) return true;
  const { base, size: slotSize, slots } = BOARD.virtio;
  const register = (address - base) % slotSize;
  return isIn(address, { base, size: slotSize * slots }) && (register === QUEUE_NOTIFY || register === INTERRUPT_ACK);
}

/** The hart's side. False if the ring is full: then the hart must wait for this one. */
export function postWrite(shared: Shared, hart: number, { address, size, value }: DeviceWrite): boolean {
  const block = hartBlock(hart);
  const made = load32(shared, block + H_POSTED_MADE);
  if (((made - load32(shared, block + H_POSTED_DONE)) | 0) >= POSTED_ENTRIES) return false;
  const entry = entryAt(block, made);
  store32(shared, entry, address);
  store32(shared, entry + 4, size);
  store32(shared, entry + 8, Number(BigInt.asIntN(32, value)));
  store32(shared, block + H_POSTED_MADE, (made + 1) | 0);
  add32(shared, MACHINE + M_DOORBELL, 1);
  notify(shared, MACHINE + M_DOORBELL);
  return true;
}

/** The main thread's side: carries out what all harts have posted. */
export function drainWrites(shared: Shared, harts: number, write: (write: DeviceWrite) => void): void {
  for (let hart = 0; hart < harts; hart++) {
    const block = hartBlock(hart);
    for (;;) {
      const done = load32(shared, block + H_POSTED_DONE);
      if (done === load32(shared, block + H_POSTED_MADE)) break;
      const entry = entryAt(block, done);
      const value = BigInt(load32(shared, entry + 8) >>> 0);
      write({ address: load32(shared, entry), size: load32(shared, entry + 4), value });
      store32(shared, block + H_POSTED_DONE, (done + 1) | 0);
    }
  }
}

const entryAt = (block: number, index: number): number =>
  block + H_POSTED + ((index >>> 0) % POSTED_ENTRIES) * POSTED_ENTRY_SIZE;
