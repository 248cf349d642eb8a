/**
 * Address translation: Sv39 and Sv48, and the three software TLBs (read, write, execute).
 *
 * A TLB has 1,024 entries of 16 bytes, indexed by the low bits of the page number: u64 tag (page | context), usize addend
 * (host address = guest address + addend, as many bits as addresses of the host have; the execute TLB has a decoded page
 * there). The write TLB is
 * also the dirty log's filter: a page is logged when its entry is filled, so stores that hit cost nothing, and after
 * flushWrites each page is logged again. In post-copy the TLBs are the trap for pages that are missing, too: translate
 * gives no address in such a page, so none ever has an entry, and accesses that hit cost nothing.
 */
import {
  DIRTY, H_DIRTIED, H_TLB_EXEC, H_TLB_READ, H_TLB_WRITE, MISSING, PAGE_SHIFT, PAGE_SIZE, RAM, RAM_BASE, TLB_FOLD,
  TLB_MASK, TLB_SHIFT,
} from '../layout';
import { isCode, noteWrite } from './code-pages.as';
import { PMP_R, PMP_W, PMP_X, pmpCoversPage, pmpPermits } from './pmp.as';
import {
  ADUE, CONTEXT_MXR, CONTEXT_SUM, MACHINE_MODE, PBMTE, SUPERVISOR, USER, codeContext, dataContext, environmentHas,
} from './privilege.as';
import { hart, ramSize, slot, tohost } from './registers.as';
import { SATP } from './slots';
import { forgetJumps, forgetJumpsTo } from './translated.as';
import {
  FETCH_ACCESS_FAULT, FETCH_PAGE_FAULT, LOAD_ACCESS_FAULT, LOAD_PAGE_FAULT, STORE_ACCESS_FAULT, STORE_PAGE_FAULT,
  awaitPage, raise,
} from './trap.as';

export const READ: u32 = 0;
export const WRITE: u32 = 1;
export const EXECUTE: u32 = 2;
/** Of a cache block: what may be read may be managed, but its faults are those of stores. */
export const MANAGE: u32 = 3;

/** PAGE_SIZE as the type that addresses have. */
export const PAGE: u64 = PAGE_SIZE;
/** Answer of translate when it has raised a fault, or the page is missing. */
export const NO_ADDRESS: u64 = 0xffff_ffff_ffff_ffff;
export const PAGE_MASK: u64 = 0xffff_ffff_ffff_f000;
const TLB_SIZE: u32 = 0x4000;
const TLB_ENTRY: u32 = 16;

// Page table entry (Privileged spec, 4.3.1 and 4.4.1).
const PTE_V: u64 = 1;
const PTE_R: u64 = 2;
const PTE_W: u64 = 4;
const PTE_X: u64 = 8;
const PTE_U: u64 = 16;
const PTE_A: u64 = 64;
const PTE_D: u64 = 128;
/** Reserved, also without Svnapot. */
const PTE_RESERVED: u64 = 0x9fc0_0000_0000_0000;
/** Memory type (Svpbmt). The machine has one type of memory, so it changes nothing, but the last value is reserved. */
const PTE_PBMT: u64 = 0x6000_0000_0000_0000;
const PTE_PPN: u64 = 0x003f_ffff_ffff_fc00;
const SATP_PPN: u64 = 0x0fff_ffff_ffff;
// Modes of satp; Bare is 0.
export const SV39: u64 = 8;
export const SV48: u64 = 9;
/** Physical addresses have 56 bits. */
const NO_PHYSICAL_ADDRESS: u64 = 0xff00_0000_0000_0000;

/** Addresses that superpages in the TLBs map lie in [superFrom, superTo): an SFENCE.VMA for one there drops all. */
let superFrom: u64 = 0xffff_ffff_ffff_ffff;
let superTo: u64 = 0;

/** Offset of the entry for a virtual address in each TLB. */
@inline
export function tlbEntry(va: u64): u32 {
  return (((va >> TLB_SHIFT) ^ (va >> TLB_FOLD)) as u32) & TLB_MASK;
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
  forgetJumps();
}

/** Forgets the entries of the write TLB for a page of RAM, whatever its virtual addresses. */
export function forgetWrites(hostPage: usize): void {
  for (let entry = hart; entry < hart + TLB_SIZE; entry += TLB_ENTRY) {
    const mapped = (load<usize>(entry, H_TLB_WRITE) & ~((PAGE_SIZE - 1) as usize)) + load<usize>(entry, H_TLB_WRITE + 8);
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
  forgetJumpsTo(va);
}

@inline
export function inRam(pa: u64): bool {
  return pa - (RAM_BASE as u64) < ramSize;
}

/** Host address of a byte of RAM, to read. */
@inline
export function readableRam(pa: u64): usize {
  return ((pa - (RAM_BASE as u64)) as usize) + RAM;
}

@inline
function pageOf(pa: u64): u32 {
  return ((pa - (RAM_BASE as u64)) >> PAGE_SHIFT) as u32;
}

/** True if the page is there. If it is not, the instruction is given up: it is executed again when the page has come. */
function isHere(pa: u64): bool {
  const page = pageOf(pa);
  const word: u32 = atomic.load<u32>(MISSING + ((page >> 5) << 2));
  if (!(word & ((1 as u32) << (page & 31)))) return true;
  awaitPage(page);
  return false;
}

/**
 * Host address of a byte of RAM, to write at once, with its page put into the dirty log. A write to code is noted. No
 * guest write goes another way.
 */
export function writableRam(pa: u64): usize {
  const page = pageOf(pa);
  const bit = (1 as u32) << (page & 31);
  const before: u32 = atomic.or<u32>(DIRTY + ((page >> 5) << 2), bit);
  if (!(before & bit)) store<u32>(hart, (load<u32>(hart, H_DIRTIED) as u32) + 1, H_DIRTIED);
  if (isCode(page)) noteWrite(pa);
  return readableRam(pa);
}

// Both return the host address of the byte. A page of which PMP protects a part stays out of the TLB.
/** Enters a page of RAM into the read TLB. */
export function cacheRead(va: u64, pa: u64): usize {
  return cache(hart + tlbEntry(va) + H_TLB_READ, va, pa, dataContext, readableRam(pa));
}

/**
 * Enters a page of RAM into the write TLB, and so into the dirty log. Stores to code and near `tohost` must all come by
 * here.
 */
export function cacheWrite(va: u64, pa: u64): usize {
  if ((pa & PAGE_MASK) == (tohost & PAGE_MASK) || isCode(pageOf(pa))) return writableRam(pa);
  return cache(hart + tlbEntry(va) + H_TLB_WRITE, va, pa, dataContext, writableRam(pa));
}

/** Enters a decoded page into the execute TLB: it has that in place of an addend. */
export function cacheExecute(va: u64, decoded: u32): void {
  const entry = hart + tlbEntry(va);
  store<u64>(entry, (va & PAGE_MASK) | codeContext, H_TLB_EXEC);
  store<u32>(entry, decoded, H_TLB_EXEC + 8);
}

@inline
function cache(entry: u32, va: u64, pa: u64, context: u64, host: usize): usize {
  if (!pmpCoversPage(pa)) return host;
  store<u64>(entry, (va & PAGE_MASK) | context);
  store<usize>(entry, host - (va as usize), 8);
  return host;
}

/**
 * Physical address of `va` for an access of `size` bytes (of one page). NO_ADDRESS if that cannot be now: a fault has been
 * raised, or a page that the access needs is missing.
 */
export function translate(va: u64, access: u32, size: u32): u64 {
  const context = access == EXECUTE ? codeContext : dataContext;
  const satp = slot(SATP);
  const bare = (context & 3) == MACHINE_MODE || satp >> 60 == 0;
  if (bare && va & NO_PHYSICAL_ADDRESS) return accessFault(va, access);
  const pa = bare ? va : walk(va, access, context, satp);
  if (pa == NO_ADDRESS) return NO_ADDRESS;
  if (!isPermitted(pa, size, access)) return accessFault(va, access);
  return inRam(pa) && !isHere(pa) ? NO_ADDRESS : pa;
}

/** Whether PMP lets the hart access `size` bytes at `pa` now. */
export function isPermitted(pa: u64, size: u32, access: u32): bool {
  const context = access == EXECUTE ? codeContext : dataContext;
  const right = access == EXECUTE ? PMP_X : access == WRITE ? PMP_W : PMP_R;
  return pmpPermits(pa, size, right, (context & 3) as u32);
}

/** Privileged spec, 4.3.2, with three or four levels. */
function walk(va: u64, access: u32, context: u64, satp: u64): u64 {
  const levels = satp >> 60 == SV39 ? 3 : 4;
  const unused = (64 - PAGE_SHIFT - 9 * levels) as u64; // bits that must repeat the highest one in use
  if ((((va << unused) as i64) >> unused) as u64 != va) return pageFault(va, access);
  const reserved = environmentHas(PBMTE) ? PTE_RESERVED : PTE_RESERVED | PTE_PBMT;
  let table = (satp & SATP_PPN) << PAGE_SHIFT;
  for (let level = levels - 1; level >= 0; level--) {
    const shift = (PAGE_SHIFT + 9 * level) as u64;
    const address = table + (((va >> shift) & 511) << 3);
    if (!inRam(address) || !pmpPermits(address, 8, PMP_R, SUPERVISOR)) return accessFault(va, access);
    if (!isHere(address)) return NO_ADDRESS;
    const pte: u64 = atomic.load<u64>(readableRam(address));
    if (!(pte & PTE_V) || pte & reserved) return pageFault(va, access);
    const target = ((pte & PTE_PPN) >> 10) << PAGE_SHIFT;
    if (!(pte & (PTE_R | PTE_W | PTE_X))) {
      if (pte & (PTE_U | PTE_A | PTE_D | PTE_PBMT)) return pageFault(va, access);
      table = target;
      continue;
    }
    const inside = ((1 as u64) << shift) - 1;
    if (!permits(pte, access, context) || target & inside) return pageFault(va, access);
    const used = pte | PTE_A | (access == WRITE ? PTE_D : 0);
    if (used != pte) {
      if (!environmentHas(ADUE)) return pageFault(va, access);
      if (!pmpPermits(address, 8, PMP_W, SUPERVISOR)) return accessFault(va, access);
      const before: u64 = atomic.cmpxchg<u64>(writableRam(address), pte, used);
      if (before != pte) return walk(va, access, context, satp); // someone changed the entry: look again
    }
    if (level > 0) noteSuperpage(va & ~inside, inside + 1);
    return target | (va & inside);
  }
  return pageFault(va, access);
}

function permits(pte: u64, access: u32, context: u64): bool {
  if ((pte & (PTE_R | PTE_W)) == PTE_W || (pte & PTE_PBMT) == PTE_PBMT) return false; // reserved
  const mode = (context & 3) as u32;
  if (mode == USER && !(pte & PTE_U)) return false;
  if (mode == SUPERVISOR && pte & PTE_U && (access == EXECUTE || !(context & CONTEXT_SUM))) return false;
  if (access == READ || access == MANAGE) return (pte & PTE_R) != 0 || ((context & CONTEXT_MXR) != 0 && (pte & PTE_X) != 0);
  return (pte & (access == WRITE ? PTE_W : PTE_X)) != 0;
}

function noteSuperpage(from: u64, size: u64): void {
  superFrom = min(superFrom, from);
  superTo = max(superTo, from + size > from ? from + size : NO_ADDRESS);
}

function pageFault(va: u64, access: u32): u64 {
  raise(access == READ ? LOAD_PAGE_FAULT : access == EXECUTE ? FETCH_PAGE_FAULT : STORE_PAGE_FAULT, va);
  return NO_ADDRESS;
}

/** Raises the access fault for nothing, or nothing fitting, at the physical address behind `va`. */
export function accessFault(va: u64, access: u32): u64 {
  raise(access == READ ? LOAD_ACCESS_FAULT : access == EXECUTE ? FETCH_ACCESS_FAULT : STORE_ACCESS_FAULT, va);
  return NO_ADDRESS;
}
