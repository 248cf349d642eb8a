/** fcsr, the rounding mode and accrued exceptions of F and D (Unprivileged spec, chapter "F"), and mstatus.FS above it. */
import { FS, SD, mstatus } from './privilege.as';
import { setSlot, slot } from './registers.as';
import { FCSR, MSTATUS } from './slots';

// Accrued exceptions (fflags).
/** Inexact. */
export const NX: u64 = 1;
/** Underflow: tiny after rounding, and inexact. */
export const UF: u64 = 2;
/** Overflow. */
export const OF: u64 = 4;
/** Divide by zero. */
export const DZ: u64 = 8;
/** Invalid operation. */
export const NV: u64 = 16;
const FFLAGS: u64 = 31;
const FRM_SHIFT: u64 = 5;

// Rounding modes.
/** To nearest, ties to even. */
export const RNE: u32 = 0;
/** Towards zero. */
export const RTZ: u32 = 1;
/** Down. */
export const RDN: u32 = 2;
/** Up. */
export const RUP: u32 = 3;
/** To nearest, ties to the larger magnitude; the modes above it are reserved. */
export const RMM: u32 = 4;
/** In an instruction: the mode in frm. */
const DYNAMIC: u32 = 7;

/** Without it, whatever touches the f registers or fcsr is an illegal instruction. */
@inline
export function floatIsOn(): bool {
  return (mstatus() & FS) != 0;
}

/** Whether an f register may be written without another look at mstatus. */
@inline
export function floatIsDirty(): bool {
  return (mstatus() & FS) == FS;
}

/** The f registers or fcsr were written, so the guest's kernel must save them. */
@inline
export function markFloatDirty(): void {
  if (!floatIsDirty()) setSlot(MSTATUS, mstatus() | FS | SD);
}

/** Adds exceptions to fflags. */
export function accrue(exceptions: u64): void {
  setSlot(FCSR, slot(FCSR) | exceptions);
  markFloatDirty();
}

/** True if a further inexact result leaves no trace, so that nobody needs to know whether one is. */
@inline
export function inexactIsKnown(): bool {
  return (slot(FCSR) & NX) != 0;
}

/** The rounding mode of an instruction that has one; above RMM it is reserved, and the instruction illegal. */
@inline
export function roundingMode(insn: u32): u32 {
  const rm = (insn >> 12) & 7;
  return rm == DYNAMIC ? (slot(FCSR) >> FRM_SHIFT) as u32 : rm;
}

// fflags, frm and fcsr as CSRs 1 to 3.
export const CSR_FFLAGS: u32 = 1;
const CSR_FRM: u32 = 2;
export const CSR_FCSR: u32 = 3;

export function readFloatCsr(n: u32): u64 {
  const all = slot(FCSR);
  return n == CSR_FFLAGS ? all & FFLAGS : n == CSR_FRM ? all >> FRM_SHIFT : all;
}

export function writeFloatCsr(n: u32, value: u64): void {
  const all = slot(FCSR);
  if (n == CSR_FFLAGS) setSlot(FCSR, (all & ~FFLAGS) | (value & FFLAGS));
  else if (n == CSR_FRM) setSlot(FCSR, (all & FFLAGS) | ((value & 7) << FRM_SHIFT));
  else setSlot(FCSR, value & 0xff);
  markFloatDirty();
}
