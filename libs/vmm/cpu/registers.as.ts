/** The hart's block in shared memory: integer registers, pc, stored CSRs. Everything else here builds on these. */
import { HARTS, HART_SIZE, H_CSR, H_PC, H_X, MACHINE, M_RAM_SIZE, M_TOHOST } from '../layout';

/** Start of this hart's block. */
export let hart: u32 = 0;
export let hartId: u32 = 0;
/** Guest RAM in bytes. */
export let ramSize: u64 = 0;

/** Physical address of the 8 bytes whose stores the host is told of, 0 if there are none. */
export let tohost: u64 = 0;

/**
 * True when pc, privilege or translation in memory are newer than what `run` holds in its locals: a trap was taken or
 * a SYSTEM instruction executed. Slow paths of memory return early on it; only `run` clears it.
 */
export let diverted: bool = false;

export function bind(id: i32): void {
  hartId = id;
  hart = HARTS + id * HART_SIZE;
  ramSize = load<u64>(MACHINE, M_RAM_SIZE);
  tohost = load<u64>(MACHINE, M_TOHOST);
}

export function setDiverted(value: bool): void {
  diverted = value;
}

@inline
export function x(i: u32): u64 {
  return load<u64>(hart + (i << 3), H_X);
}

@inline
export function setX(i: u32, value: u64): void {
  if (i) store<u64>(hart + (i << 3), value, H_X);
}

@inline
export function pc(): u64 {
  return load<u64>(hart, H_PC);
}

@inline
export function setPc(value: u64): void {
  store<u64>(hart, value, H_PC);
}

/** A stored CSR, by its number in slots.ts. */
@inline
export function slot(n: u32): u64 {
  return load<u64>(hart + (n << 3), H_CSR);
}

@inline
export function setSlot(n: u32, value: u64): void {
  store<u64>(hart + (n << 3), value, H_CSR);
}
