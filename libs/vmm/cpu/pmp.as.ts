/**
 * Physical memory protection: 16 entries of 4 bytes and up (Privileged spec, 3.7). Asked where an address is translated,
 * never by an access that hits a TLB: a page of which an entry covers only a part must not enter one.
 */
import { PAGE_SIZE } from '../layout';
import { MACHINE_MODE } from './privilege.as';
import { setSlot, slot } from './registers.as';
import { PMPADDR0, PMPCFG0, PMPCFG2 } from './slots';

// Bits of an entry's configuration.
export const PMP_R: u32 = 1;
export const PMP_W: u32 = 2;
export const PMP_X: u32 = 4;
const RIGHTS: u32 = 7;
const LOCKED: u32 = 0x80;
/** All bits that exist, in each of eight entries. */
const CFG_WRITABLE: u64 = 0x9f9f_9f9f_9f9f_9f9f;
const OFF: u32 = 0;
const TOR: u32 = 1;
const NA4: u32 = 2;

const ENTRIES: u32 = 16;
const ADDR_WRITABLE: u64 = 0x003f_ffff_ffff_ffff;
/** Physical addresses have 56 bits. */
const END: u64 = 1 << 56;

/** Entries up to the last that is not off; 0 also if the first of them gives all rights on all memory. */
let active: u32 = 0;
/** True if S- and U-mode may reach everything. */
let open: bool = false;
/** The bytes that the entry last looked at covers: [from, to). */
let from: u64 = 0;
let to: u64 = 0;

@inline
function config(entry: u32): u32 {
  return (slot(entry < 8 ? PMPCFG0 : PMPCFG2) >> ((entry & 7) << 3)) as u32 & 0xff;
}

@inline
function mode(cfg: u32): u32 {
  return (cfg >> 3) & 3;
}

/** Finds out what an entry covers; false if it is off. */
function look(entry: u32): bool {
  const kind = mode(config(entry));
  if (kind == OFF) return false;
  const address = slot(PMPADDR0 + entry);
  if (kind == TOR) {
    from = entry ? slot(PMPADDR0 + entry - 1) << 2 : 0;
    to = address << 2;
  } else if (kind == NA4) {
    from = address << 2;
    to = from + 4;
  } else {
    const size: u64 = (8 as u64) << ctz<u64>(~address); // NAPOT: the trailing ones tell the size
    from = (address << 2) & ~(size - 1);
    to = from + size;
  }
  return true;
}

/** Takes up what is in the registers. What the TLBs hold was decided by the registers before: flush them too. */
export function updatePmp(): void {
  active = 0;
  open = false;
  for (let entry: u32 = ENTRIES; entry > 0; entry--) {
    if (!look(entry - 1)) continue;
    if (!active) active = entry;
    open = from == 0 && to >= END && (config(entry - 1) & RIGHTS) == RIGHTS;
  }
  if (open) active = 0;
}

/** May `size` bytes at `pa` be accessed in that mode? `right`: PMP_R, PMP_W or PMP_X. */
export function pmpPermits(pa: u64, size: u32, right: u32, privilege: u32): bool {
  for (let entry: u32 = 0; entry < active; entry++) {
    if (!look(entry) || to <= from || pa >= to || pa + size <= from) continue;
    if (pa < from || pa + size > to) return false; // matches some of the bytes, but not all
    const cfg = config(entry);
    return (cfg & right) != 0 || (privilege == MACHINE_MODE && !(cfg & LOCKED));
  }
  return open || privilege == MACHINE_MODE;
}

/** True if all bytes of the page with `pa` share one answer, so that it may be remembered for the page. */
export function pmpCoversPage(pa: u64): bool {
  const page = pa & ~((PAGE_SIZE - 1) as u64);
  for (let entry: u32 = 0; entry < active; entry++) {
    if (!look(entry) || to <= from || page >= to || page + PAGE_SIZE <= from) continue;
    return from <= page && to >= page + PAGE_SIZE;
  }
  return true;
}

/** A write to pmpcfg0 or pmpcfg2 (`first`: its entry with the lowest number). Locked entries keep theirs; W needs R. */
export function writePmpConfig(first: u32, value: u64): void {
  const register = first ? PMPCFG2 : PMPCFG0;
  let kept: u64 = 0;
  for (let entry: u32 = 0; entry < 8; entry++) {
    if (config(first + entry) & LOCKED) kept |= (0xff as u64) << (entry << 3);
  }
  const legal = value & CFG_WRITABLE;
  const writeOnly = (legal >> 1) & ~legal & 0x0101_0101_0101_0101;
  setSlot(register, (slot(register) & kept) | (legal & ~(writeOnly << 1) & ~kept));
  updatePmp();
}

/** A write to a pmpaddr register: refused if its entry is locked, or the next one is and begins there. */
export function writePmpAddress(entry: u32, value: u64): void {
  if (config(entry) & LOCKED) return;
  if (entry + 1 < ENTRIES) {
    const next = config(entry + 1);
    if (next & LOCKED && mode(next) == TOR) return;
  }
  setSlot(PMPADDR0 + entry, value & ADDR_WRITABLE);
  updatePmp();
}
