/** Traps: entering one by exception or interrupt, and the returns from it (Privileged spec, 3.1.6 to 3.1.9, 3.3.2). */
import { H_INSTRET, H_MIP, H_MISSING, H_RESERVATION } from '../layout';
import {
  MACHINE_MODE, MIE_BIT, MPIE, MPP, MPP_SHIFT, MPRV, SIE, SPIE, SPP, SUPERVISOR, USER, mstatus, privilege, setStatus,
} from './privilege.as';
import { hart, pc, setDiverted, setPc, setSlot, slot } from './registers.as';
import { MCAUSE, MEDELEG, MEPC, MIDELEG, MIE, MIP, MTVAL, MTVEC, SCAUSE, SEPC, STVAL, STVEC } from './slots';

// Exception codes (Privileged spec, table 3.6).
export const FETCH_ACCESS_FAULT: u64 = 1;
export const ILLEGAL_INSTRUCTION: u64 = 2;
export const BREAKPOINT: u64 = 3;
export const LOAD_MISALIGNED: u64 = 4;
export const LOAD_ACCESS_FAULT: u64 = 5;
export const STORE_MISALIGNED: u64 = 6;
export const STORE_ACCESS_FAULT: u64 = 7;
/** ECALL from U; from S and M it is this plus the mode. */
export const ECALL: u64 = 8;
export const FETCH_PAGE_FAULT: u64 = 12;
export const LOAD_PAGE_FAULT: u64 = 13;
export const STORE_PAGE_FAULT: u64 = 15;

const INTERRUPT: u64 = 1 << 63;
/** An address that is not a multiple of 8, so that no reservation matches it. */
export const NO_RESERVATION: u64 = 0xffff_ffff_ffff_ffff;

/** Raises an exception at the instruction that H_PC points to. */
export function raise(cause: u64, tval: u64): void {
  // The instruction that traps does not retire, but the run loop has counted it.
  store<u64>(hart, load<u64>(hart, H_INSTRET) - 1, H_INSTRET);
  enter(cause, tval, slot(MEDELEG));
}

/** Gives up the instruction that H_PC points to, until a page has arrived. */
export function awaitPage(page: u32): void {
  store<u64>(hart, load<u64>(hart, H_INSTRET) - 1, H_INSTRET);
  atomic.store<u32>(hart, page + 1, H_MISSING);
  setDiverted(true);
}

/** mip and mie: the interrupts that wait and are enabled one by one. They end a WFI. */
export function pendingInterrupts(): u64 {
  const outside: u32 = atomic.load<u32>(hart, H_MIP);
  return (slot(MIP) | (outside as u64)) & slot(MIE);
}

/** Enters the handler of the most urgent interrupt that may be taken now, if there is one. */
export function takeInterrupt(): void {
  const pending = pendingInterrupts();
  if (!pending) return;
  const mode = privilege();
  const status = mstatus();
  const delegated = slot(MIDELEG);
  let ready: u64 = 0;
  if (mode < MACHINE_MODE || status & MIE_BIT) ready = pending & ~delegated;
  if (!ready && (mode < SUPERVISOR || (mode == SUPERVISOR && status & SIE))) ready = pending & delegated;
  if (ready) enter(INTERRUPT | mostUrgent(ready), 0, delegated);
}

/** External before software before timer, machine before supervisor (Privileged spec, 3.1.9). */
function mostUrgent(ready: u64): u64 {
  if (ready & (1 << 11)) return 11;
  if (ready & (1 << 3)) return 3;
  if (ready & (1 << 7)) return 7;
  if (ready & (1 << 9)) return 9;
  if (ready & (1 << 1)) return 1;
  return 5;
}

function enter(cause: u64, tval: u64, delegation: u64): void {
  const code = cause & ~INTERRUPT;
  const mode = privilege();
  let status = mstatus();
  let vector: u64 = 0;
  if (mode <= SUPERVISOR && (delegation >> code) & 1) {
    setSlot(SCAUSE, cause);
    setSlot(SEPC, pc());
    setSlot(STVAL, tval);
    vector = slot(STVEC);
    status = status & SIE ? status | SPIE : status & ~SPIE;
    status = mode == SUPERVISOR ? status | SPP : status & ~SPP;
    setStatus(status & ~SIE, SUPERVISOR);
  } else {
    setSlot(MCAUSE, cause);
    setSlot(MEPC, pc());
    setSlot(MTVAL, tval);
    vector = slot(MTVEC);
    status = status & MIE_BIT ? status | MPIE : status & ~MPIE;
    status = (status & ~MPP) | ((mode as u64) << MPP_SHIFT);
    setStatus(status & ~MIE_BIT, MACHINE_MODE);
  }
  const vectored = (vector & 1) != 0 && cause != code;
  setPc((vector & ~3) + (vectored ? code << 2 : 0));
  store<u64>(hart, NO_RESERVATION, H_RESERVATION);
  setDiverted(true);
}

export function sret(): void {
  let status = mstatus();
  const mode = status & SPP ? SUPERVISOR : USER;
  status = status & SPIE ? status | SIE : status & ~SIE;
  setStatus((status | SPIE) & ~(SPP | MPRV), mode);
  setPc(slot(SEPC));
}

export function mret(): void {
  let status = mstatus();
  const mode = ((status & MPP) >> MPP_SHIFT) as u32;
  status = status & MPIE ? status | MIE_BIT : status & ~MIE_BIT;
  status = (status | MPIE) & ~MPP;
  if (mode != MACHINE_MODE) status &= ~MPRV;
  setStatus(status, mode);
  setPc(slot(MEPC));
}
