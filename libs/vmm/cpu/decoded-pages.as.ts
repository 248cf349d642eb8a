/**
 * Where a hart keeps decoded instructions: in its own cache area (HART_CACHES), page by page of guest-physical memory,
 * so that a change of translation or privilege leaves them valid. The execute TLB leads from a virtual page to the
 * decoded one. When the area is full the page that was decoded first makes room. When a page must be read anew is in
 * code-pages.
 *
 *     0x00_0000  NEXT, USED, TICKETS
 *     0x00_1000  MAP     u16 a guest page: 1 + number of its decoded page, 0 if there is none
 *     0x20_1000  GUARDED one page, see enterGuarded
 *     0x20_5040  PAGES   decoded pages, PAGE_BYTES each
 *
 * A decoded page has a decoded instruction (operations) for each 2 bytes of guest code and, behind the last one:
 *
 *     0x4000  PAGE_END
 *     0x4008  the instruction that crosses into the next page, 16 bytes behind its CROSSING
 *     0x4018  PAGE_END again: what follows that
 *     0x4020  D_ fields
 */
import {
  CACHE_DECODED_SIZE, HART_CACHES, HART_CACHE_SIZE, H_TLB_EXEC, PAGE_SHIFT, RAM, RAM_BASE,
} from '../layout';
import { decode } from './decode.as';
import {
  EXECUTE, NO_ADDRESS, PAGE_MASK, accessFault, cacheExecute, forgetExecute, inRam, readableRam, tlbEntry, translate,
} from './mmu.as';
import { Op, encode } from './operations.as';
import { pmpCoversPage } from './pmp.as';
import { codeContext } from './privilege.as';
import { hart, hartId, setPc } from './registers.as';
import { forget, track } from './code-pages.as';

const NEXT: u32 = 0;
const USED: u32 = 4;
/** u32 a hart: see code-pages. */
export const TICKETS: u32 = 0x40;
const MAP: u32 = 0x1000;
const GUARDED: u32 = 0x20_1000;
const PAGE_BYTES: u32 = 0x4040;
const PAGES: u32 = GUARDED + PAGE_BYTES;
const MAX_PAGES: u32 = (CACHE_DECODED_SIZE - PAGES) / PAGE_BYTES;
const INSTRUCTIONS: u32 = 0x4000;
/** How far behind its own place the crossing instruction is decoded. */
export const CROSSING_SHIFT: u32 = 0x10;
const AFTER_CROSSING: u32 = 0x4018;

const END: u64 = encode(Op.PAGE_END, 0, 0, 0, 0, 0);

// Fields of a decoded page.
/** u32: which guest page it is, counted from RAM_BASE. */
export const D_PAGE: u32 = 0x4020;
/** u32: CODE_VERSION of the guest page before anything was decoded. */
export const D_VERSION: u32 = 0x4024;
/** u32: since when stores to the guest page are seen (code-pages); 0: they are not, nothing may be decoded. */
export const D_TRACKED_SINCE: u32 = 0x4028;
/** u32: the crossing instruction as it was when it was last decoded. */
const D_CROSSING: u32 = 0x402c;

@inline
export function cache(): u32 {
  return HART_CACHES + hartId * HART_CACHE_SIZE;
}

/** How many decoded pages there are; `decodedPage` gives them. */
export function decodedPages(): u32 {
  return load<u32>(cache(), USED);
}

@inline
export function decodedPage(index: u32): u32 {
  return cache() + PAGES + index * PAGE_BYTES;
}

/** The decoded page of a guest page, 0 if there is none. */
export function findDecoded(page: u32): u32 {
  const number = load<u16>(cache() + (page << 1), MAP) as u32;
  return number ? decodedPage(number - 1) : 0;
}

/** Forgets what was decoded; the page stays where it is. */
export function erase(decoded: u32): void {
  memory.fill(decoded, 0, INSTRUCTIONS);
}

/** Forgets all decoded pages. The execute TLB must be forgotten as well. */
export function forgetDecoded(): void {
  for (let index: u32 = 0; index < decodedPages(); index++) {
    const page = load<u32>(decodedPage(index), D_PAGE);
    store<u16>(cache() + (page << 1), 0, MAP);
    forget(decodedPage(index));
  }
  store<u32>(cache(), 0, NEXT);
}

/** The decoded page at `pc`, through the execute TLB; 0 after raising the fault. Any decoded page may have made room. */
@inline
export function enterPage(base: u32, pc: u64): u32 {
  const entry = base + tlbEntry(pc);
  if (load<u64>(entry, H_TLB_EXEC) == ((pc & PAGE_MASK) | codeContext)) return load<u32>(entry, H_TLB_EXEC + 8);
  return enterSlowly(pc);
}

function enterSlowly(pc: u64): u32 {
  setPc(pc); // for the fault
  const pa = executable(pc);
  if (pa == NO_ADDRESS) return 0;
  const page = ((pa - (RAM_BASE as u64)) >> PAGE_SHIFT) as u32;
  if (!pmpCoversPage(pa)) return enterGuarded(pc, page);
  let decoded = findDecoded(page);
  if (!decoded) decoded = newPage(page);
  cacheExecute(pc, decoded);
  return decoded;
}

/**
 * A decoded page that has the instruction at `pc` alone, for a page that PMP lets be executed in part: whatever comes
 * next enters the page anew, and PMP is asked again. 0 after raising the fault for its second half.
 */
function enterGuarded(pc: u64, page: u32): u32 {
  const decoded = cache() + GUARDED;
  const offset = (pc as u32) & 0xfff;
  for (let at: u32 = 0; at <= AFTER_CROSSING; at += 8) store<u64>(decoded + at, END);
  store<u32>(decoded, page, D_PAGE);
  store<u32>(decoded, 0, D_CROSSING);
  const host = hostPage(decoded) + offset;
  const isWhole = (load<u16>(host) & 3) == 3;
  if (isWhole && offset != 0xffe && executable(pc + 2) == NO_ADDRESS) return 0;
  store<u64>(decoded + (offset << 2), decodedFrom(host, offset));
  return decoded;
}

/** Physical address of 2 bytes of code, in RAM, or NO_ADDRESS after raising the fault. */
function executable(va: u64): u64 {
  const pa = translate(va, EXECUTE, 2);
  return pa == NO_ADDRESS || inRam(pa) ? pa : accessFault(va, EXECUTE);
}

function newPage(page: u32): u32 {
  const index = load<u32>(cache(), NEXT);
  const decoded = decodedPage(index);
  if (index < load<u32>(cache(), USED)) {
    store<u16>(cache() + (load<u32>(decoded, D_PAGE) << 1), 0, MAP);
    forgetExecute(decoded);
    forget(decoded);
  } else {
    store<u32>(cache(), index + 1, USED);
  }
  store<u32>(cache(), index + 1 < MAX_PAGES ? index + 1 : 0, NEXT);
  store<u16>(cache() + (page << 1), (index + 1) as u16, MAP);
  store<u32>(decoded, page, D_PAGE);
  store<u64>(decoded, END, INSTRUCTIONS);
  store<u64>(decoded, END, AFTER_CROSSING);
  return decoded;
}

/** Decodes the instruction for the place `at` in a decoded page. */
export function decodeAt(decoded: u32, at: u32): void {
  if (!load<u32>(decoded, D_TRACKED_SINCE)) track(decoded);
  const offset = (at - decoded) >> 2;
  store<u64>(at, decodedFrom(hostPage(decoded) + offset, offset));
}

function decodedFrom(host: u32, offset: u32): u64 {
  const half: u32 = load<u16>(host);
  if ((half & 3) != 3) return decode(half, offset);
  return offset == 0xffe ? encode(Op.CROSSING, 0, 0, 0, 0, 0) : decode(load<u32>(host), offset);
}

/**
 * Decodes the instruction at the end of a page that crosses into the next, CROSSING_SHIFT behind the place for `pc`.
 * Its second half is read each time: the next page may be another one by now. False if that trapped.
 */
export function decodeCrossing(decoded: u32, pc: u64): bool {
  setPc(pc);
  const second = executable(pc + 2);
  if (second == NO_ADDRESS) return false;
  const low: u32 = load<u16>(hostPage(decoded), 0xffe);
  const raw = low | ((load<u16>(readableRam(second)) as u32) << 16);
  if (raw == load<u32>(decoded, D_CROSSING)) return true;
  store<u32>(decoded, raw, D_CROSSING);
  store<u64>(decoded + INSTRUCTIONS - 8 + CROSSING_SHIFT, decode(raw, 0xffe));
  return true;
}

/** The instruction at `pc` as it is in memory, 16 or 32 bits, while it is being executed. */
export function fetchAgain(pc: u64): u32 {
  const low: u32 = load<u16>(readableRam(executable(pc)));
  return (low & 3) == 3 ? low | ((load<u16>(readableRam(executable(pc + 2))) as u32) << 16) : low;
}

/** Where the guest page lies in memory. */
@inline
export function hostPage(decoded: u32): u32 {
  return RAM + (load<u32>(decoded, D_PAGE) << PAGE_SHIFT);
}
