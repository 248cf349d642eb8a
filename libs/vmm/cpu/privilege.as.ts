/** Privilege mode and mstatus, and what follows from them for every access to memory. */
import { H_PRIV } from '../layout';
import { hart, setSlot, slot } from './registers.as';
import { MENVCFG, MSTATUS } from './slots';

export const USER: u32 = 0;
export const SUPERVISOR: u32 = 1;
export const MACHINE_MODE: u32 = 3;

// Fields of mstatus (Privileged spec, 3.1.6).
export const SIE: u64 = 1 << 1;
export const MIE_BIT: u64 = 1 << 3;
export const SPIE: u64 = 1 << 5;
export const MPIE: u64 = 1 << 7;
export const SPP: u64 = 1 << 8;
export const MPP: u64 = 3 << 11;
export const MPP_SHIFT: u64 = 11;
/** What the f registers and fcsr hold: 0 off (they may not be used), 1 initial, 2 clean, 3 dirty. */
export const FS: u64 = 3 << 13;
export const MPRV: u64 = 1 << 17;
export const SUM: u64 = 1 << 18;
export const MXR: u64 = 1 << 19;
export const TVM: u64 = 1 << 20;
export const TW: u64 = 1 << 21;
export const TSR: u64 = 1 << 22;
/** SXL and UXL: 64 bits, fixed. */
export const XL64: u64 = 0xa_0000_0000;
/** Some extension's state is dirty; follows from FS. */
export const SD: u64 = 1 << 63;

// Fields of menvcfg and senvcfg (Privileged spec, 3.1.18 and 4.1.10). The last three are menvcfg's alone.
/** Fence of I/O implies memory; there is nothing to switch, but the bit exists. */
export const FIOM: u64 = 1;
/** Cache blocks: invalidate (2 bits), clean and flush, zero. */
export const CBIE: u64 = 3 << 4;
export const CBCFE: u64 = 1 << 6;
export const CBZE: u64 = 1 << 7;
/** Accessed and dirty bits are set by hardware (Svadu); without it, a page fault asks for them (Svade). */
export const ADUE: u64 = 1 << 61;
/** Page tables may tell memory types (Svpbmt). */
export const PBMTE: u64 = 1 << 62;
/** S-mode has a timer of its own (Sstc). */
export const STCE: u64 = 1 << 63;

// Bits of a context: privilege in bits 0 and 1, then SUM and MXR. They fit into the offset bits of a TLB tag, so an
// entry that was filled under other rules does not match and a change of rules needs no flush.
export const CONTEXT_SUM: u64 = 4;
export const CONTEXT_MXR: u64 = 8;
/** The rules for loads and stores. */
export let dataContext: u64 = 0;
/** The rules for fetches: the privilege mode. */
export let codeContext: u64 = 0;

@inline
export function privilege(): u32 {
  return load<u32>(hart, H_PRIV);
}

@inline
export function mstatus(): u64 {
  return slot(MSTATUS);
}

/** Sets both at once, since a trap or a return changes both. */
export function setStatus(status: u64, mode: u32): void {
  setSlot(MSTATUS, status);
  store<u32>(hart, mode, H_PRIV);
  updateContexts();
}

/** True if menvcfg has that field. */
@inline
export function environmentHas(field: u64): bool {
  return (slot(MENVCFG) & field) != 0;
}

export function updateContexts(): void {
  const status = mstatus();
  codeContext = privilege() as u64;
  dataContext = status & MPRV ? (status & MPP) >> MPP_SHIFT : codeContext;
  if (status & SUM) dataContext |= CONTEXT_SUM;
  if (status & MXR) dataContext |= CONTEXT_MXR;
}
