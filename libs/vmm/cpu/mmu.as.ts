/**
 * Address translation: Sv39 with hardware A/D updates, and the three software TLBs (read, write, execute).
 *
 * A TLB has 1,024 entries of 16 bytes, indexed by the low bits of the page number: u64 tag (page | context), u32 addend
 * (host address = low half of the guest address + addend; the execute TLB has a decoded page there). The write TLB is also the dirty log's filter: a page is
 * logged when its entry is filled, so stores that hit cost nothing, and after flushWrites each page is logged again.
 */
import {
  DIRTY, H_TLB_EXEC, H_TLB_READ, H_TLB_WRITE, PAGE_SHIFT, PAGE_SIZE, RAM, RAM_BASE,
} from '../layout';
import { codeWritten, isCode } from './code-pages.as';
import {
  CONTEXT_MXR, CONTEXT_SUM, MACHINE_MODE, SUPERVISOR, USER, codeContext, dataContext,
} from './privilege.as';
import { hart, ramSize, slot } from './registers.as';
import { SATP } from './slots';
import {
  FETCH_ACCESS_FAULT, FETCH_PAGE_FAULT, LOAD_ACCESS_FAULT, LOAD_PAGE_FAULT, STORE_ACCESS_FAULT, STORE_PAGE_FAULT, raise,
} from './trap.as';

export const READ: u32 = 0;
export const WRITE: u32 = 1;
export const EXECUTE: u32 = 2;

/** PAGE_SIZE as the type that addresses have. */
export const PAGE: u64 = PAGE_SIZE;
/** Answer of translate when it has raised a fault. */
export const NO_ADDRESS: u64 = 0xffff_ffff_ffff_ffff;
export const PAGE_MASK: u64 = 0xffff_ffff_ffff_f000;
const TLB_SIZE: u32 = 0x4000;
const TLB_ENTRY: u32 = 16;
const TLB_INDEX: u32 = 0x3ff0;

// Page table entry (Privileged spec, 4.3.1 and 4.4.1).
const PTE_V: u64 = 1;
const PTE_R: u64 = 2;
const PTE_W: u64 = 4;
const PTE_X: u64 = 8;
const PTE_U: u64 = 16;
const PTE_A: u64 = 64;
const PTE_D: u64 = 128;
/** Reserved without Svnapot and Svpbmt. */
const PTE_RESERVED: u64 = 0xffc0_0000_0000_0000;
const PTE_PPN: u64 = 0x003f_ffff_ffff_fc00;
const SATP_PPN: u64 = 0x0fff_ffff_ffff;

/** Addresses that superpages in the TLBs map lie in [superFrom, superTo): an SFENCE.VMA for one there drops all. */
let superFrom: u64 = 0xffff_ffff_ffff_ffff;
let superTo: u64 = 0;

/** Offset of the entry for a virtual address in each TLB. */
@inline
export function tlbEntry(va: u64): u32 {
  return ((va >> 8) as u32) & TLB_INDEX;
}

export function flushWrites(): void {
  memory.fill(hart + H_TLB_WRITE, 0xff, TLB_SIZE);
}

export function flushAll(): void {
  memory.fill(hart + H_TLB_READ, 0xff, TLB_SIZE);
  memory.fill(hart + H_TLB_WRITE, 0xff, TLB_SIZE);
  memory.fill(hart + H_TLB_EXEC, 0xff, TLB_SIZE);
  superFrom = 0xffff_ffff_ffff_ffff;
  superTo = 0;
}

/** Forgets the entries of the write TLB for a page of RAM, whatever its virtual addresses. */
export function forgetWrites(hostPage: u32): void {
  for (let entry = hart; entry < hart + TLB_SIZE; entry += TLB_ENTRY) {
    const mapped = ((load<u32>(entry, H_TLB_WRITE) as u32) & ~(PAGE_SIZE - 1)) + load<u32>(entry, H_TLB_WRITE + 8);
    if (mapped == hostPage) store<u64>(entry, NO_ADDRESS, H_TLB_WRITE);
  }
}

/** Forgets the entries of the execute TLB that lead to a decoded page. */
export function forgetExecute(decoded: u32): void {
  for (let entry = hart; entry < hart + TLB_SIZE; entry += TLB_ENTRY) {
    if (load<u32>(entry, H_TLB_EXEC + 8) == decoded) store<u64>(entry, NO_ADDRESS, H_TLB_EXEC);
  }
}

/** SFENCE.VMA for one address. */
export function flushAddress(va: u64): void {
  if (va >= superFrom && va < superTo) {
    flushAll();
    return;
  }
  const entry = hart + tlbEntry(va);
  store<u64>(entry, NO_ADDRESS, H_TLB_READ);
  store<u64>(entry, NO_ADDRESS, H_TLB_WRITE);
  store<u64>(entry, NO_ADDRESS, H_TLB_EXEC);
}

@inline
export function inRam(pa: u64): bool {
  return pa - (RAM_BASE as u64) < ramSize;
}

/** Host address of a byte of RAM, to read. (Here post-copy will ask whether the page has arrived.) */
@inline
export function readableRam(pa: u64): u32 {
  return ((pa - (RAM_BASE as u64)) as u32) + RAM;
}

/**
 * Host address of a byte of RAM, to write, with its page put into the dirty log and what was decoded of it forgotten.
 * No guest write goes another way.
 */
export function writableRam(pa: u64): u32 {
  const page = ((pa - (RAM_BASE as u64)) >> PAGE_SHIFT) as u32;
  atomic.or<u32>(DIRTY + ((page >> 5) << 2), (1 as u32) << (page & 31));
  if (isCode(page)) codeWritten(page);
  return readableRam(pa);
}

/** Enters a page of RAM into the read TLB; the host address of the byte. */
export function cacheRead(va: u64, pa: u64): u32 {
  return cache(hart + tlbEntry(va) + H_TLB_READ, va, dataContext, readableRam(pa));
}

/** Enters a page of RAM into the write TLB (and so into the dirty log); the host address of the byte. */
export function cacheWrite(va: u64, pa: u64): u32 {
  return cache(hart + tlbEntry(va) + H_TLB_WRITE, va, dataContext, writableRam(pa));
}

/** Enters a decoded page into the execute TLB: it has that in place of an addend. */
export function cacheExecute(va: u64, decoded: u32): void {
  const entry = hart + tlbEntry(va);
  store<u64>(entry, (va & PAGE_MASK) | codeContext, H_TLB_EXEC);
  store<u32>(entry, decoded, H_TLB_EXEC + 8);
}

@inline
function cache(entry: u32, va: u64, context: u64, host: u32): u32 {
  store<u64>(entry, (va & PAGE_MASK) | context);
  store<u32>(entry, host - (va as u32), 8);
  return host;
}

/** Physical address of `va` for a kind of access, or NO_ADDRESS after raising the fault. */
export function translate(va: u64, access: u32): u64 {
  const context = access == EXECUTE ? codeContext : dataContext;
  const satp = slot(SATP);
  if ((context & 3) == MACHINE_MODE || satp >> 60 == 0) return va;
  return walk(va, access, context, (satp & SATP_PPN) << PAGE_SHIFT);
}

/** Privileged spec, 4.3.2, with three levels. */
function walk(va: u64, access: u32, context: u64, root: u64): u64 {
  if ((((va << 25) as i64) >> 25) as u64 != va) return pageFault(va, access);
  let table = root;
  for (let level = 2; level >= 0; level--) {
    const shift = (PAGE_SHIFT + 9 * level) as u64;
    const address = table + (((va >> shift) & 511) << 3);
    if (!inRam(address)) return accessFault(va, access);
    const pte: u64 = atomic.load<u64>(readableRam(address));
    if (!(pte & PTE_V) || pte & PTE_RESERVED) return pageFault(va, access);
    const target = ((pte & PTE_PPN) >> 10) << PAGE_SHIFT;
    if (!(pte & (PTE_R | PTE_W | PTE_X))) {
      if (pte & (PTE_U | PTE_A | PTE_D)) return pageFault(va, access);
      table = target;
      continue;
    }
    const inside = ((1 as u64) << shift) - 1;
    if (!permits(pte, access, context) || target & inside) return pageFault(va, access);
    const used = pte | PTE_A | (access == WRITE ? PTE_D : 0);
    if (used != pte) {
      const before: u64 = atomic.cmpxchg<u64>(writableRam(address), pte, used);
      if (before != pte) return walk(va, access, context, root); // someone changed the entry: look again
    }
    if (level > 0) noteSuperpage(va & ~inside, inside + 1);
    return target | (va & inside);
  }
  return pageFault(va, access);
}

function permits(pte: u64, access: u32, context: u64): bool {
  if ((pte & (PTE_R | PTE_W)) == PTE_W) return false; // reserved
  const mode = (context & 3) as u32;
  if (mode == USER && !(pte & PTE_U)) return false;
  if (mode == SUPERVISOR && pte & PTE_U && (access == EXECUTE || !(context & CONTEXT_SUM))) return false;
  if (access == READ) return (pte & PTE_R) != 0 || ((context & CONTEXT_MXR) != 0 && (pte & PTE_X) != 0);
  return (pte & (access == WRITE ? PTE_W : PTE_X)) != 0;
}

function noteSuperpage(from: u64, size: u64): void {
  superFrom = min(superFrom, from);
  superTo = max(superTo, from + size > from ? from + size : NO_ADDRESS);
}

function pageFault(va: u64, access: u32): u64 {
  raise(access == READ ? LOAD_PAGE_FAULT : access == WRITE ? STORE_PAGE_FAULT : FETCH_PAGE_FAULT, va);
  return NO_ADDRESS;
}

/** Raises the access fault for nothing, or nothing fitting, at the physical address behind `va`. */
export function accessFault(va: u64, access: u32): u64 {
  raise(access == READ ? LOAD_ACCESS_FAULT : access == WRITE ? STORE_ACCESS_FAULT : FETCH_ACCESS_FAULT, va);
  return NO_ADDRESS;
}
