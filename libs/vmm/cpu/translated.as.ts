/**
 * Where translated code joins the run loop. `run` calls `enter` wherever it begins anew. The inner loop asks
 * `hasTranslated` wherever it goes to another page or back, by the order in which instructions were decoded, so at least
 * once in each round of a loop of guest code, and leaves if it is true; so that must call nothing.
 *
 * Whether there is code for an address is remembered by virtual address and privilege mode (T_JUMPS), as long as
 * translation and code stay as they are: a flush of the TLBs or a change of code makes a new generation, in which no
 * entry is valid. Behind that is what outlives a flush: code by physical address (T_PLACES), each with the CODE_VERSION
 * that it was made from; a page that has another version by now has no code. A place that jumps often come to is posted
 * to the translator.
 */
import {
  CACHE_TRANSLATED, CODE_VERSION, HART_CACHES, HART_CACHE_SIZE, H_PC, H_TLB_EXEC, MACHINE, M_REQUESTED, PAGE_SHIFT,
} from '../layout';
import { D_PAGE, isGuarded } from './decoded-pages.as';
import { PAGE, PAGE_MASK, tlbEntry } from './mmu.as';
import { codeContext, dataContext } from './privilege.as';
import { hart, hartId } from './registers.as';
import {
  COUNTS, EXIT_INTERPRET, JUMPS, MAX_TRANSLATED, PLACES, REQUESTS, T_COUNTS, T_GENERATION, T_JUMPS, T_PLACES,
  T_PLACES_USED, T_REQUESTED, T_REQUESTS, T_TAKEN,
} from './translation-area';

/** After so many jumps to an address it is worth translating; 0: nothing is asked for, and no code is looked for. */
let threshold: u32 = 0;

// Fields of a T_JUMPS entry behind the pc, and of a T_PLACES entry behind the place.
const JUMP_KEY: u32 = 8;
const JUMP_CODE: u32 = 12;
const PLACE_VERSION: u32 = 8;
const PLACE_CODE: u32 = 12;
const ENTRY: u32 = 16;
/** Entries for one page are together, so that they can be forgotten together: so many of them, in so many groups. */
const GROUP_BITS: u32 = 7;
const GROUP: u32 = 1 << GROUP_BITS;
const GROUPS: u32 = JUMPS >> GROUP_BITS;
const GENERATION_STEP: u32 = 4;

export function setThreshold(jumps: u32): void {
  threshold = jumps;
}

@inline
function area(): u32 {
  return HART_CACHES + hartId * HART_CACHE_SIZE + CACHE_TRANSLATED;
}

@inline
function group(pc: u64): u32 {
  return T_JUMPS + ((((pc >> PAGE_SHIFT) ^ (pc >> (PAGE_SHIFT + GROUP_BITS))) as u32) & (GROUPS - 1)) * GROUP * ENTRY;
}

@inline
function jumpTo(at: u32, pc: u64): u32 {
  return at + group(pc) + (((pc >> 1) ^ (pc >> (1 + GROUP_BITS))) as u32 & (GROUP - 1)) * ENTRY;
}

/** What the key of an entry must be to hold now. */
@inline
function currentKey(at: u32): u32 {
  return load<u32>(at, T_GENERATION) | (codeContext as u32);
}

/** True if the last `enter` ended at an instruction that translated code leaves to the interpreter. */
export let isStopped: bool = false;
/** True if `hasTranslated` was the last time it was asked since the last `enter`. */
export let isFound: bool = false;

/** Counts a jump to an address that has no code; true if it has become worth translating. */
@inline
function becomesHot(at: u32, pc: u64): bool {
  const count = at + (((pc >> 1) as u32) & (COUNTS - 1)) * 2;
  const visits = (load<u16>(count, T_COUNTS) as u32) + 1;
  store<u16>(count, visits as u16, T_COUNTS);
  return visits >= threshold;
}

@inline
function isKnown(at: u32, jump: u32, pc: u64): bool {
  return load<u64>(jump) == pc && load<u32>(jump, JUMP_KEY) == currentKey(at);
}

/** Whether `run` should look at `pc`: code may be there, or the address has become worth translating. */
@inline
export function hasTranslated(pc: u64): bool {
  if (!threshold) return false;
  const at = area();
  const jump = jumpTo(at, pc);
  if (isKnown(at, jump, pc) && !load<u32>(jump, JUMP_CODE) && !becomesHot(at, pc)) return false;
  isFound = true;
  return true;
}

/**
 * Runs translated code from H_PC on, as long as there is some, with a budget of `left` instructions. Returns how many of
 * them are left, negative if it was a few more; H_PC is where to go on. `mayAsk` is false if H_PC may be in the midst of
 * code that would be translated from another place on.
 */
export function enter(left: i32, mayAsk: bool): i32 {
  isStopped = false;
  isFound = false;
  if (!threshold) return left;
  const base: usize = hart; // translated code takes an address
  const at = area();
  const context = dataContext;
  while (left > 0) {
    const pc = load<u64>(base, H_PC);
    const jump = jumpTo(at, pc);
    let code = isKnown(at, jump, pc) ? load<u32>(jump, JUMP_CODE) : 0;
    if (!code) {
      code = find(at, jump, pc, mayAsk);
      if (!code) break;
    }
    const result: i32 = call_indirect<i32>(code, base, left, pc, context);
    left = result >> 1;
    if (result & EXIT_INTERPRET) {
      isStopped = true;
      break;
    }
    mayAsk = true; // it jumped here
  }
  return left;
}

/** The code for an address, 0 if there is none; asks for a translation if it has become worth it. */
function find(at: u32, jump: u32, pc: u64, mayAsk: bool): u32 {
  const entry = hart + tlbEntry(pc);
  const isEntered = load<u64>(entry, H_TLB_EXEC) == ((pc & PAGE_MASK) | codeContext);
  if (!isEntered || isGuarded) return 0; // the run loop finds out what is there, or PMP must be asked each time
  const page: u64 = load<u32>(load<u32>(entry, H_TLB_EXEC + 8), D_PAGE);
  const place = (page << PAGE_SHIFT) | (pc & (PAGE - 1));
  let code: u32 = 0;
  if (!isKnown(at, jump, pc)) {
    code = codeAt(at, place);
    // Where nobody jumps to must not push out what is known of a place to which loops go back.
    if (code || mayAsk || load<u32>(jump, JUMP_KEY) != currentKey(at)) {
      store<u64>(jump, pc);
      store<u32>(jump, currentKey(at), JUMP_KEY);
      store<u32>(jump, code, JUMP_CODE);
    }
  }
  // Also if it was not known: two places that push each other out become hot, too.
  if (!code && mayAsk && becomesHot(at, pc)) {
    store<u16>(at + (((pc >> 1) as u32) & (COUNTS - 1)) * 2, 0, T_COUNTS);
    request(at, place);
  }
  return code;
}

/** Posts a place to the translator. If it is too busy, this place must become hot again. */
function request(at: u32, place: u64): void {
  const number = load<u32>(at, T_REQUESTED);
  const taken: u32 = atomic.load<u32>(at, T_TAKEN);
  if (number - taken >= (REQUESTS as u32)) return;
  store<u64>(at + ((number & (REQUESTS - 1)) << 3), place, T_REQUESTS);
  atomic.store<u32>(at, number + 1, T_REQUESTED);
  atomic.add<u32>(MACHINE, 1, M_REQUESTED);
  atomic.notify(MACHINE + M_REQUESTED, 1);
}

@inline
function version(place: u64): u32 {
  return atomic.load<u32>(CODE_VERSION + (((place >> PAGE_SHIFT) as u32) << 2));
}

/** The entry for a place, or the free one where it belongs. */
function placeEntry(at: u32, place: u64): u32 {
  let index = ((place as u32) * 0x9e37_79b1) >> 18;
  while (true) {
    const entry = at + T_PLACES + (index & (PLACES - 1)) * ENTRY;
    const found = load<u64>(entry);
    if (found == place + 1 || !found) return entry;
    index++;
  }
}

/** Code that was made from what is at the place now, 0 if there is none. */
function codeAt(at: u32, place: u64): u32 {
  const entry = placeEntry(at, place);
  if (!load<u64>(entry) || load<u32>(entry, PLACE_VERSION) != version(place)) return 0;
  return load<u32>(entry, PLACE_CODE);
}

/**
 * Notes that `code`, a number in this instance's table, is what was at `place` when its page had the CODE_VERSION
 * `made`. False if it has changed since, or there is no room.
 */
export function install(place: u64, made: u32, code: u32): bool {
  const at = area();
  if (version(place) != made) return false;
  const entry = placeEntry(at, place);
  if (!load<u64>(entry)) {
    const used = load<u32>(at, T_PLACES_USED);
    if (used >= (MAX_TRANSLATED as u32)) return false;
    store<u32>(at, used + 1, T_PLACES_USED);
  }
  store<u64>(entry, place + 1);
  store<u32>(entry, made, PLACE_VERSION);
  store<u32>(entry, code, PLACE_CODE);
  forgetJumps();
  return true;
}

/** The code installed for `place` from that CODE_VERSION, 0 if there is none. */
export function installed(place: u64, made: u32): u32 {
  const entry = placeEntry(area(), place);
  return load<u64>(entry) && load<u32>(entry, PLACE_VERSION) == made ? load<u32>(entry, PLACE_CODE) : 0;
}

/** Addresses may mean other places or other code from now on. */
export function forgetJumps(): void {
  const at = area();
  const next = load<u32>(at, T_GENERATION) + GENERATION_STEP;
  if (!next) memory.fill(at + T_JUMPS, 0, JUMPS * ENTRY); // all generations have been used
  store<u32>(at, next ? next : GENERATION_STEP, T_GENERATION);
}

/** The page of `va` may be another one from now on. */
export function forgetJumpsTo(va: u64): void {
  memory.fill(area() + group(va), 0, GROUP * ENTRY);
}

/** Forgets all translated code: the table is a new one, or full. */
export function forgetTranslated(): void {
  const at = area();
  if (load<u32>(at, T_PLACES_USED)) memory.fill(at + T_PLACES, 0, PLACES * ENTRY); // do not touch it if there is no need
  store<u32>(at, 0, T_PLACES_USED);
  forgetJumps();
}
