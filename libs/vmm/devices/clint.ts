/**
 * The core-local interruptor (SiFive FU540 manual, chapter 9): msip, mtimecmp and mtime. Unlike other devices it is
 * served in the thread of the hart that accesses it: all its state lies in the shared memory, in the blocks of the harts
 * and in the clock, and travels with them.
 */
import { requestAttention } from '../attention.js';
import type { GuestClock } from '../clock.js';
import { MIP_MSIP, setPending } from '../interrupts.js';
import { ATTENTION_INTERRUPT, H_MIP, H_MTIMECMP } from '../layout.js';
import type { GuestMemory } from '../memory.js';
import { hartBlock, load32, loadU64, store64 } from '../shared.js';

const MTIMECMP = 0x4000;
const MTIME = 0xbff8;

export class Clint {
  constructor(
    private readonly memory: GuestMemory,
    private readonly clock: GuestClock,
  ) {}

  /** Reads 4 or 8 bytes; a register that does not exist reads as 0. */
  read(offset: number, size: number): bigint {
    const shift = BigInt((offset & 7) * 8);
    return BigInt.asUintN(size * 8, this.readDoubleWord(offset & ~7) >> shift);
  }

  /** Writes 4 or 8 bytes. A hart whose timer has changed looks at it again. */
  write(offset: number, size: number, value: bigint): void {
    if (offset < MTIMECMP) {
      const hart = offset >> 2;
      if (hart < this.memory.harts) setPending(this.memory, hart, MIP_MSIP, (value & 1n) === 1n);
      if (size === 8 && hart + 1 < this.memory.harts) {
        setPending(this.memory, hart + 1, MIP_MSIP, ((value >> 32n) & 1n) === 1n);
      }
      return;
    }
    const at = offset & ~7;
    const shift = BigInt((offset & 7) * 8);
    const mask = ((1n << BigInt(size * 8)) - 1n) << shift;
    const merged = (this.readDoubleWord(at) & ~mask) | ((value << shift) & mask);
    const hart = (at - MTIMECMP) >> 3;
    if (at === MTIME) {
      this.clock.setTicks(merged);
      for (let each = 0; each < this.memory.harts; each++) requestAttention(this.memory, each, ATTENTION_INTERRUPT);
    } else if (hart < this.memory.harts) {
      store64(this.memory, hartBlock(hart) + H_MTIMECMP, merged);
      requestAttention(this.memory, hart, ATTENTION_INTERRUPT);
    }
  }

  private readDoubleWord(offset: number): bigint {
    if (offset < MTIMECMP) return this.msip(offset >> 2) | (this.msip((offset >> 2) + 1) << 32n);
    if (offset === MTIME) return this.clock.ticks();
    const hart = (offset - MTIMECMP) >> 3;
    return hart < this.memory.harts ? loadU64(this.memory, hartBlock(hart) + H_MTIMECMP) : 0n;
  }

  private msip(hart: number): bigint {
    if (hart >= this.memory.harts) return 0n;
    return load32(this.memory, hartBlock(hart) + H_MIP) & MIP_MSIP ? 1n : 0n;
  }
}
