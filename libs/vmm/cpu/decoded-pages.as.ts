/**
 * Where a hart keeps decoded instructions: in its own cache area (HART_CACHES), page by page of guest-physical memory,
 * so that a change of translation or privilege leaves them valid. The execute TLB leads from a virtual page to the
 * decoded one. When the area is full, the page that came first makes room. When a page must be decoded anew is in
 * code-pages.
 *
 *     0x00_0000  NEXT, USED, TICKETS
 *     0x00_1000  MAP     u16 a guest page: 1 + number of its decoded page, 0 if there is none
 *     0x80_1000  GUARDED one page, see enterGuarded
 *     0x80_6140  PAGES   decoded pages, PAGE_BYTES each
 *
 * In a decoded page the instructions stand in lines, in the order in which they are executed until one jumps. A line
 * is decoded as a whole when it is first entered. It ends with a jump, or a GOTO to what was decoded before, or a PAGE_END.
 *
 *     0x0000  numbers       u16 for each 2 bytes of guest code: the number of the instruction there; 0: not decoded
 *     0x1000  instructions  (operations) by number, from 1
 *     0x5100  D_ fields
 */
import {
  CACHE_DECODED_SIZE, HART_CACHES, HART_CACHE_SIZE, H_TLB_EXEC, MACHINE, M_HARTS, PAGE_SHIFT, PAGE_SIZE, RAM, RAM_BASE,
} from '../layout';
import { forget, track } from './code-pages.as';
import { decode, endsLine } from './decode.as';
import {
  EXECUTE, NO_ADDRESS, PAGE_MASK, accessFault, cacheExecute, forgetExecute, inRam, readableRam, tlbEntry, translate,
} from './mmu.as';
import { DECODED, Op, narrow } from './operations.as';
import { pmpCoversPage } from './pmp.as';
import { codeContext } from './privilege.as';
import { hart, hartId } from './registers.as';

const NEXT: u32 = 0;
const USED: u32 = 4;
/** u32 a hart: see code-pages. */
export const TICKETS: u32 = 0x40;
const MAP: u32 = 0x1000;
const GUARDED: u32 = 0x80_1000;
const PAGE_BYTES: u32 = 0x5140;
const PAGES: u32 = GUARDED + PAGE_BYTES;
const MAX_PAGES: u32 = (CACHE_DECODED_SIZE - PAGES) / PAGE_BYTES;
/** What all harts of a VM together should not exceed, each of them having LEAST_PAGES: what is hot is translated anyway. */
const PAGES_OF_ALL: u32 = 1000;
const LEAST_PAGES: u32 = 128;

const INSTRUCTIONS: u32 = 0x1000;
const MAX_INSTRUCTIONS: u32 = (0x5100 - INSTRUCTIONS) / DECODED;
// Fields of a decoded page.
/** u32: which guest page it is, counted from RAM_BASE. */
export const D_PAGE: u32 = 0x5100;
/** u32: CODE_VERSION of the guest page before anything was decoded. */
export const D_VERSION: u32 = 0x5104;
/** u32: since when stores to the guest page are seen (code-pages); 0: they are not, nothing may be decoded. */
export const D_TRACKED_SINCE: u32 = 0x5108;
/** u32: instructions in use, number 0 counted. */
const D_USED: u32 = 0x510c;
/** u32: what the first two bytes of the next page were when the instruction that crosses into it was decoded. */
export const D_CROSSING: u32 = 0x5110;
/** u32 each: for code-pages. */
export const D_REWRITTEN: u32 = 0x5114;
export const D_REWRITTEN_SINCE: u32 = 0x5118;
const NO_CROSSING: u32 = 0xffff_ffff;

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
  store<u32>(decoded, 1, D_USED);
  store<u32>(decoded, NO_CROSSING, D_CROSSING);
}

/** The most that one write touches: a cache block. Writes of a block are aligned to it, others have up to 8 bytes. */
const BLOCK: u32 = 64;

/** Forgets what was decoded of the bytes from `place` on that a store may have changed, and of some around them. */
export function forgetAround(decoded: u32, place: u32): void {
  const from = max((place & ~(BLOCK - 1)) as i32 - 2, 0); // an instruction may begin 2 bytes before
  const to = min((place + 8) | (BLOCK - 1), PAGE_SIZE - 1);
  for (let at = from; at < (to as i32); at += 2) {
    const number: u32 = load<u16>(decoded + at);
    if (!number) continue;
    store<u64>(numbered(decoded, number), narrow(Op.GOTO, 0, 0, 0, at, 0)); // lines may run into it
    store<u16>(decoded + at, 0);
  }
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

/** The decoded page at `pc`, 0 after raising the fault. It enters the execute TLB; another may have made room for it. */
export function enterPage(pc: u64): u32 {
  const entry = hart + tlbEntry(pc);
  if (load<u64>(entry, H_TLB_EXEC) == ((pc & PAGE_MASK) | codeContext)) return load<u32>(entry, H_TLB_EXEC + 8);
  const pa = executable(pc);
  if (pa == NO_ADDRESS) return 0;
  const page = ((pa - (RAM_BASE as u64)) >> PAGE_SHIFT) as u32;
  let decoded: u32;
  if (pmpCoversPage(pa)) {
    decoded = findDecoded(page);
    if (!decoded) decoded = newPage(page);
  } else {
    decoded = newGuarded(pc, page);
    if (!decoded) return 0;
    isGuarded = true;
  }
  cacheExecute(pc, decoded);
  return decoded;
}

/** Physical address of 2 bytes of code, in RAM, or NO_ADDRESS after raising the fault. */
function executable(va: u64): u64 {
  const pa = translate(va, EXECUTE, 2);
  return pa == NO_ADDRESS || inRam(pa) ? pa : accessFault(va, EXECUTE);
}

/** True if a page is in the execute TLB that may not stay there longer than for one instruction. */
export let isGuarded: bool = false;

/**
 * A decoded page that has the instruction at `pc` alone, for a page that PMP lets be executed in part: for whatever comes
 * next PMP is asked again. 0 after raising the fault for its second half.
 */
function newGuarded(pc: u64, page: u32): u32 {
  const decoded = cache() + GUARDED;
  const place = (pc as u32) & 0xffe;
  erase(decoded);
  store<u32>(decoded, page, D_PAGE);
  let raw: u32 = load<u16>(hostPage(decoded) + place);
  const isLong = (raw & 3) == 3;
  if (isLong) {
    const second = executable(pc + 2);
    if (second == NO_ADDRESS) return 0;
    raw |= (load<u16>(readableRam(second)) as u32) << 16;
  }
  store<u16>(decoded + place, 1);
  append(decoded, decode(raw, place));
  const after = place + (isLong ? 4 : 2);
  append(decoded, narrow(Op.PAGE_END, 0, 0, 0, after, after));
  return decoded;
}

/** After the one instruction. */
export function leaveGuarded(): void {
  forgetExecute(cache() + GUARDED);
  isGuarded = false;
}

/** The instruction at `pc` as it is in memory, 16 or 32 bits, while it is being executed. */
export function fetchAgain(pc: u64): u32 {
  const low: u32 = load<u16>(readableRam(executable(pc)));
  return (low & 3) == 3 ? low | ((load<u16>(readableRam(executable(pc + 2))) as u32) << 16) : low;
}

/** How many decoded pages this hart may have. */
function mostPages(): u32 {
  return min(MAX_PAGES, max(LEAST_PAGES, PAGES_OF_ALL / max(load<u32>(MACHINE, M_HARTS), 1)));
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
    store<u32>(decoded, 1, D_USED);
    store<u32>(decoded, NO_CROSSING, D_CROSSING);
  }
  store<u32>(cache(), index + 1 < mostPages() ? index + 1 : 0, NEXT);
  store<u16>(cache() + (page << 1), (index + 1) as u16, MAP);
  store<u32>(decoded, page, D_PAGE);
  return decoded;
}

/** Where the guest page lies in memory. */
@inline
export function hostPage(decoded: u32): usize {
  return ((load<u32>(decoded, D_PAGE) as usize) << PAGE_SHIFT) + RAM;
}

/** The decoded instruction of that number. */
@inline
export function numbered(decoded: u32, number: u32): u32 {
  return decoded + INSTRUCTIONS + number * DECODED;
}

/** The decoded instruction for a place in the page, 0 if there is none. */
export function instructionAt(decoded: u32, place: u32): u32 {
  const number: u32 = load<u16>(decoded + place);
  return number ? numbered(decoded, number) : 0;
}

/** Decodes the line that begins at a place, which has not been decoded, in bytes from the start of the page. */
export function decodeLine(decoded: u32, place: u32): void {
  if (!load<u32>(decoded, D_TRACKED_SINCE)) track(decoded);
  const longest = ((PAGE_SIZE - place) >> 1) + 2;
  if (load<u32>(decoded, D_USED) + longest > MAX_INSTRUCTIONS) erase(decoded);
  const host = hostPage(decoded);
  while (place < (PAGE_SIZE as u32)) {
    if (load<u16>(decoded + place)) {
      append(decoded, narrow(Op.GOTO, 0, 0, 0, place, 0));
      return;
    }
    store<u16>(decoded + place, load<u32>(decoded, D_USED) as u16);
    let raw: u32 = load<u16>(host + place);
    if ((raw & 3) == 3) {
      if (place == (PAGE_SIZE as u32) - 2) {
        append(decoded, narrow(Op.CROSSING, 0, 0, 0, place, 0));
        append(decoded, 0); // that instruction: decodeCrossing
        place += 4;
        break;
      }
      raw = load<u32>(host + place);
    }
    const instruction = decode(raw, place);
    append(decoded, instruction);
    if (endsLine(instruction)) return;
    place += (raw & 3) == 3 ? 4 : 2;
  }
  append(decoded, narrow(Op.PAGE_END, 0, 0, 0, place, place));
}

function append(decoded: u32, instruction: u64): void {
  const number = load<u32>(decoded, D_USED);
  store<u64>(numbered(decoded, number), instruction);
  store<u32>(decoded, number + 1, D_USED);
}

/**
 * Decodes the instruction that crosses from one page into the next, behind its CROSSING `at`. Its second half may come
 * from another page each time, so D_CROSSING says what it was.
 */
export function decodeCrossing(first: u32, at: u32, second: u32): void {
  const high: u32 = load<u16>(hostPage(second));
  if (high == load<u32>(first, D_CROSSING)) return;
  const low: u32 = load<u16>(hostPage(first), PAGE_SIZE - 2);
  store<u64>(at + DECODED, decode(low | (high << 16), PAGE_SIZE - 2));
  store<u32>(first, high, D_CROSSING);
}
