/** The CSRs: which exist, what reading gives, what writing keeps (Privileged spec, chapters 2, 3.1 and 4.1). */
import { H_MIP } from '../layout';
import { mcycle, minstret, setMcountinhibit, setMcycle, setMinstret } from './counters.as';
import { CSR_FCSR, CSR_FFLAGS, readFloatCsr, writeFloatCsr } from './fcsr.as';
import { SV39, SV48, flushAll } from './mmu.as';
import { writePmpAddress, writePmpConfig } from './pmp.as';
import {
  ADUE, CBCFE, CBIE, CBZE, FIOM, FS, MIE_BIT, MPIE, MPP, MPP_SHIFT, MPRV, MXR, PBMTE, SD, SIE, SPIE, SPP, STCE, SUM,
  TSR, TVM, TW, XL64, environmentHas, mstatus, privilege, setStatus,
} from './privilege.as';
import { hart, hartId, setSlot, slot } from './registers.as';
import {
  MCAUSE, MCOUNTEREN, MCOUNTINHIBIT, MEDELEG, MENVCFG, MEPC, MIDELEG, MIE, MIP, MSCRATCH, MTVAL, MTVEC, PMPADDR0,
  PMPCFG0, PMPCFG2, SATP, SCAUSE, SCOUNTEREN, SENVCFG, SEPC, SSCRATCH, STVAL, STVEC,
} from './slots';
import { STIP, setStimecmp, stimecmp, time, updateSupervisorTimer } from './timer.as';

export const CSR_SIE: u32 = 0x104;
export const CSR_STIMECMP: u32 = 0x14d;
export const CSR_SATP: u32 = 0x180;
export const CSR_MIP: u32 = 0x344;
export const CSR_CYCLE: u32 = 0xc00;
export const CSR_HPMCOUNTER31: u32 = 0xc1f;
const CSR_PMPADDR0: u32 = 0x3b0;
const CSR_PMPADDR15: u32 = 0x3bf;

/** RV64, extensions A, B, C, D, F, I, M, S, U. */
const MISA: u64 = 0x8000_0000_0014_112f;
const MSTATUS_WRITABLE: u64 = SIE | MIE_BIT | SPIE | MPIE | SPP | MPP | FS | MPRV | SUM | MXR | TVM | TW | TSR;
const SSTATUS_WRITABLE: u64 = SIE | SPIE | SPP | FS | SUM | MXR;
/** What of mstatus S-mode sees: the above, UXL and SD. */
const SSTATUS_VISIBLE: u64 = SSTATUS_WRITABLE | 0x3_0000_0000 | SD;
/** Exceptions that can be delegated: all defined ones but ECALL from M. */
const DELEGABLE: u64 = 0xb3ff;
const SSIP: u64 = 1 << 1;
const SEIP: u64 = 1 << 9;
const SUPERVISOR_INTERRUPTS: u64 = SSIP | STIP | SEIP;
const ALL_INTERRUPTS: u64 = 0xaaa;
/** cycle, time, instret: the other counters are fixed at zero. */
const COUNTERS: u64 = 7;
const SENVCFG_WRITABLE: u64 = FIOM | CBIE | CBCFE | CBZE;
const MENVCFG_WRITABLE: u64 = SENVCFG_WRITABLE | ADUE | PBMTE | STCE;

/** CSRs that always read as zero and keep nothing: identity, unused counters and their events, triggers. */
function isZero(n: u32): bool {
  if ((n >= 0xb03 && n <= 0xb1f) || (n >= 0xc03 && n <= CSR_HPMCOUNTER31)) return true; // hpmcounters
  if (n >= 0x323 && n <= 0x33f) return true; // mhpmevents
  if (n >= 0x7a0 && n <= 0x7a3) return true; // tselect, tdata1 to 3: no triggers
  return (n >= 0xf11 && n <= 0xf13) || n == 0xf15; // mvendorid, marchid, mimpid, mconfigptr
}

/** The slot of a CSR that is stored as it is read, or -1. */
function slotOf(n: u32): i32 {
  switch (n) {
    case 0x105: return STVEC;
    case 0x106: return SCOUNTEREN;
    case 0x10a: return SENVCFG;
    case 0x140: return SSCRATCH;
    case 0x141: return SEPC;
    case 0x142: return SCAUSE;
    case 0x143: return STVAL;
    case CSR_SATP: return SATP;
    case 0x302: return MEDELEG;
    case 0x303: return MIDELEG;
    case 0x304: return MIE;
    case 0x305: return MTVEC;
    case 0x306: return MCOUNTEREN;
    case 0x30a: return MENVCFG;
    case 0x320: return MCOUNTINHIBIT;
    case 0x340: return MSCRATCH;
    case 0x341: return MEPC;
    case 0x342: return MCAUSE;
    case 0x343: return MTVAL;
    case 0x3a0: return PMPCFG0;
    case 0x3a2: return PMPCFG2;
  }
  return n >= CSR_PMPADDR0 && n <= CSR_PMPADDR15 ? PMPADDR0 + (n - CSR_PMPADDR0) : -1;
}

/** fflags, frm, fcsr. */
@inline
export function isFloatCsr(n: u32): bool {
  return n >= CSR_FFLAGS && n <= CSR_FCSR;
}

export function csrExists(n: u32): bool {
  if (isFloatCsr(n)) return true;
  switch (n) {
    case 0x100: case CSR_SIE: case 0x144: case CSR_STIMECMP: // sstatus, sie, sip, stimecmp
    case 0x300: case 0x301: case CSR_MIP: // mstatus, misa, mip
    case 0xb00: case 0xb02: case CSR_CYCLE: case 0xc01: case 0xc02: // mcycle, minstret, cycle, time, instret
    case 0xf14: // mhartid
      return true;
  }
  return slotOf(n) >= 0 || isZero(n);
}

export function readCsr(n: u32): u64 {
  const stored = slotOf(n);
  if (stored >= 0) return slot(stored);
  if (isFloatCsr(n)) return readFloatCsr(n);
  switch (n) {
    case 0x100: return mstatus() & SSTATUS_VISIBLE;
    case CSR_SIE: return slot(MIE) & slot(MIDELEG);
    case 0x144: return (slot(MIP) | outsideInterrupts()) & slot(MIDELEG);
    case CSR_STIMECMP: return stimecmp();
    case 0x300: return mstatus();
    case 0x301: return MISA;
    case CSR_MIP: return slot(MIP) | outsideInterrupts();
    case 0xb00: case CSR_CYCLE: return mcycle();
    case 0xb02: case 0xc02: return minstret();
    case 0xc01: return time();
    case 0xf14: return hartId;
  }
  return 0;
}

/** What CSRRS and CSRRC start from: in mip the bits that are writable, not what comes in from outside (3.1.9). */
export function readToModify(n: u32): u64 {
  return n == CSR_MIP ? slot(MIP) | (outsideInterrupts() & SSIP) : readCsr(n);
}

export function writeCsr(n: u32, value: u64): void {
  switch (n) {
    case 0x001: case 0x002: case 0x003: writeFloatCsr(n, value); return;
    case 0x100: writeMstatus(merge(mstatus(), value, SSTATUS_WRITABLE)); return;
    case CSR_SIE: setSlot(MIE, merge(slot(MIE), value, slot(MIDELEG))); return;
    case 0x144: if (slot(MIDELEG) & SSIP) setSoftwareInterrupt((value & SSIP) != 0); return;
    case 0x105: if (!(value & 2)) setSlot(STVEC, value); return;
    case 0x106: setSlot(SCOUNTEREN, value & COUNTERS); return;
    case 0x10a: setSlot(SENVCFG, environment(slot(SENVCFG), value) & SENVCFG_WRITABLE); return;
    case 0x141: setSlot(SEPC, value & ~1); return;
    case CSR_STIMECMP: setStimecmp(value); return;
    case CSR_SATP: writeSatp(value); return;
    case 0x300: writeMstatus(value); return;
    case 0x302: setSlot(MEDELEG, value & DELEGABLE); return;
    case 0x303: setSlot(MIDELEG, value & SUPERVISOR_INTERRUPTS); return;
    case 0x304: setSlot(MIE, value & ALL_INTERRUPTS); return;
    case 0x305: if (!(value & 2)) setSlot(MTVEC, value); return;
    case 0x306: setSlot(MCOUNTEREN, value & COUNTERS); return;
    case 0x30a: writeMenvcfg(value); return;
    case 0x320: setMcountinhibit(value); return;
    case 0x341: setSlot(MEPC, value & ~1); return;
    case CSR_MIP: writeMip(value); return;
    case 0x3a0: case 0x3a2: writePmp(n, value); return;
    case 0xb00: setMcycle(value); return;
    case 0xb02: setMinstret(value); return;
  }
  if (n >= CSR_PMPADDR0 && n <= CSR_PMPADDR15) {
    writePmp(n, value);
    return;
  }
  const stored = slotOf(n);
  if (stored >= 0) setSlot(stored, value);
}

@inline
function merge(old: u64, value: u64, mask: u64): u64 {
  return (old & ~mask) | (value & mask);
}

function outsideInterrupts(): u64 {
  const bits: u32 = atomic.load<u32>(hart, H_MIP);
  return bits;
}

/** MPP keeps its value when 2, which is no mode, is written. SD follows FS. */
function writeMstatus(value: u64): void {
  const writable = (value & MPP) >> MPP_SHIFT == 2 ? MSTATUS_WRITABLE & ~MPP : MSTATUS_WRITABLE;
  const status = (merge(mstatus(), value, writable) & ~SD) | XL64;
  setStatus((status & FS) == FS ? status | SD : status, privilege());
}

/** The supervisor software interrupt lives in H_MIP alone, since other harts set it and this one clears it. */
function setSoftwareInterrupt(pending: bool): void {
  if (pending) atomic.or<u32>(hart, SSIP as u32, H_MIP);
  else atomic.and<u32>(hart, ~(SSIP as u32), H_MIP);
}

function writeMip(value: u64): void {
  setSoftwareInterrupt((value & SSIP) != 0);
  setSlot(MIP, value & (environmentHas(STCE) ? SEIP : STIP | SEIP));
}

/** Modes other than Bare, Sv39 and Sv48 leave satp unchanged. The address-space id is kept, but no translation is. */
function writeSatp(value: u64): void {
  const mode = value >> 60;
  if (mode != 0 && mode != SV39 && mode != SV48) return;
  setSlot(SATP, value);
  flushAll();
}

/** What is written into menvcfg or senvcfg, with CBIE as it was if it takes no such value (2 is reserved). */
function environment(old: u64, value: u64): u64 {
  return (value & CBIE) == 2 << 4 ? merge(value, old, CBIE) : value;
}

function writeMenvcfg(value: u64): void {
  setSlot(MENVCFG, environment(slot(MENVCFG), value) & MENVCFG_WRITABLE);
  flushAll(); // what page tables mean may have changed
  updateSupervisorTimer();
}

function writePmp(n: u32, value: u64): void {
  if (n >= CSR_PMPADDR0) writePmpAddress(n - CSR_PMPADDR0, value);
  else writePmpConfig(n == 0x3a0 ? 0 : 8, value);
  flushAll();
}
