/** Privilege mode and mstatus, and what follows from them for every access to memory. */
import { H_PRIV } from '../layout';
import { hart, setSlot, slot } from './registers.as';
import { MSTATUS } from './slots';

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

export function updateContexts(): void {
  const status = mstatus();
  codeContext = privilege() as u64;
  dataContext = status & MPRV ? (status & MPP) >> MPP_SHIFT : codeContext;
  if (status & SUM) dataContext |= CONTEXT_SUM;
  if (status & MXR) dataContext |= CONTEXT_MXR;
}
