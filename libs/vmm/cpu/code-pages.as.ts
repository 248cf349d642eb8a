/**
 * When code is decoded anew. What anybody has stored must be executed after this hart's FENCE.I, as RISC-V has it; what
 * this hart itself has stored is executed at once as a rule. The rules:
 *
 * 1. Before a hart decodes the first instruction of a page it notes CODE_VERSION, then sets the page's CODE bit, then
 *    drops the page from its own write TLB (`track`).
 * 2. A hart's store that misses the write TLB asks for the CODE bit. If it is set, the page does not enter the write TLB,
 *    and when the instruction is done the hart clears the bit, then makes CODE_VERSION and M_CODE_CHANGES grow, and
 *    forgets what it has decoded of the page itself (`finishWrite`). Then the page is one like any other. A device does
 *    the same after its store (memory.ts).
 * 3. FENCE.I forgets pages whose CODE_VERSION is not the noted one (`fenceCode`); as long as M_CODE_CHANGES stands
 *    still there are none.
 * 4. Another hart may store through an entry of its write TLB that is older than the CODE bit; then nothing grows. So
 *    a page is settled only when every other hart has forgotten its write TLB since rule 1. FENCE.I asks them to,
 *    without waiting for it, and until they have, each FENCE.I has pages that are not settled decoded anew.
 * 5. A page in which a hart writes beside the code that it executes would be forgotten and tracked all the time. Such a
 *    page keeps its CODE bit, and the hart forgets no more than what it has overwritten.
 *
 * Noting the version before setting the bit, and clearing the bit before the version grows, makes a page whose bit was
 * cleared one with an old version, in whatever order two harts do this.
 */
import {
  ATTENTION_FLUSH_WRITES, CODE, CODE_VERSION, HARTS, HART_SIZE, H_ACK, H_ATTENTION, H_INSTRET, H_QUIET, H_REQUEST,
  MACHINE, M_CODE_CHANGES, M_HARTS, PAGE_SHIFT, RAM_BASE,
} from '../layout';
import {
  D_PAGE, D_REWRITTEN, D_REWRITTEN_SINCE, D_TRACKED_SINCE, D_VERSION, TICKETS, cache, decodedPage, decodedPages, erase,
  findDecoded, forgetAround, hostPage,
} from './decoded-pages.as';
import { PAGE, forgetWrites } from './mmu.as';
import { hart, hartId } from './registers.as';
import { forgetJumps } from './translated.as';

const NOTHING: u64 = 0xffff_ffff_ffff_ffff;
/** Physical address of a write to code that is not finished, or NOTHING. */
let written: u64 = NOTHING;
// Often is more than so many times in so many instructions.
const OFTEN: u32 = 16;
const OFTEN_INSTRUCTIONS: u32 = 1_000_000;

/** M_CODE_CHANGES at the last FENCE.I. */
let seenChanges: u32 = 0;

// Rule 4, in rounds of asking. Time is counted in rounds begun.
let now: u32 = 1;
/** When the newest page was tracked. */
let lastTracked: u32 = 0;
/** Pages that were tracked before this time are settled. */
let settledBefore: u32 = 1;
/** True from the request to all other harts until all have followed it. */
let asking: bool = false;

/** Where this hart keeps the H_REQUEST that another must acknowledge. */
@inline
function ticket(other: u32): u32 {
  return cache() + TICKETS + (other << 2);
}

@inline
function codeWord(page: u32): u32 {
  return CODE + ((page >> 5) << 2);
}

@inline
function codeBit(page: u32): u32 {
  return (1 as u32) << (page & 31);
}

@inline
function version(page: u32): u32 {
  return CODE_VERSION + (page << 2);
}

/** True if some hart has decoded instructions of a page, counted from RAM_BASE. */
@inline
export function isCode(page: u32): bool {
  const word: u32 = atomic.load<u32>(codeWord(page));
  return (word & codeBit(page)) != 0;
}

/** Rule 1. */
export function track(decoded: u32): void {
  const page = load<u32>(decoded, D_PAGE);
  const noted: u32 = atomic.load<u32>(version(page));
  store<u32>(decoded, noted, D_VERSION);
  atomic.or<u32>(codeWord(page), codeBit(page));
  forgetWrites(hostPage(decoded));
  store<u32>(decoded, now, D_TRACKED_SINCE);
  lastTracked = now;
}

/** Rule 2: this hart is about to write to a page that has its CODE bit set. What was noted before has been written. */
export function noteWrite(pa: u64): void {
  finishWrite();
  written = pa;
}

/** Rule 2: what was noted has been written. */
export function finishWrite(): void {
  if (written == NOTHING) return;
  const offset = written - (RAM_BASE as u64);
  const page = (offset >> PAGE_SHIFT) as u32;
  written = NOTHING;
  const decoded = findDecoded(page);
  const isMixed = decoded != 0 && isRewrittenOften(decoded);
  if (!isMixed) atomic.and<u32>(codeWord(page), ~codeBit(page));
  const before: u32 = atomic.add<u32>(version(page), 1);
  atomic.add<u32>(MACHINE, 1, M_CODE_CHANGES);
  forgetJumps();
  if (!isMixed) {
    if (decoded) forget(decoded);
    return;
  }
  forgetAround(decoded, (offset & (PAGE - 1)) as u32);
  if (before == load<u32>(decoded, D_VERSION)) store<u32>(decoded, before + 1, D_VERSION); // it knows of this change
}

/** Rule 5. */
function isRewrittenOften(decoded: u32): bool {
  const executed = load<u64>(hart, H_INSTRET) as u32;
  if (executed - load<u32>(decoded, D_REWRITTEN_SINCE) > OFTEN_INSTRUCTIONS) {
    store<u32>(decoded, executed, D_REWRITTEN_SINCE);
    store<u32>(decoded, 0, D_REWRITTEN);
  }
  const times = load<u32>(decoded, D_REWRITTEN) + 1;
  store<u32>(decoded, times, D_REWRITTEN);
  return times > OFTEN;
}

/** Forgets what was decoded of a page; its stores need not be seen any more. */
export function forget(decoded: u32): void {
  if (!load<u32>(decoded, D_TRACKED_SINCE)) return;
  erase(decoded);
  store<u32>(decoded, 0, D_TRACKED_SINCE);
}

/** FENCE.I: rules 3 and 4. */
export function fenceCode(): void {
  const changes: u32 = atomic.load<u32>(MACHINE, M_CODE_CHANGES);
  const alone = load<i32>(MACHINE, M_HARTS) <= 1;
  if (changes == seenChanges && (alone || lastTracked < settledBefore)) return;
  seenChanges = changes;
  forgetJumps();
  const readAnewFrom = alone ? u32.MAX_VALUE : settledBefore;
  if (!alone) settle();
  for (let index: u32 = 0; index < decodedPages(); index++) {
    const decoded = decodedPage(index);
    const since = load<u32>(decoded, D_TRACKED_SINCE);
    if (!since) continue;
    const current: u32 = atomic.load<u32>(version(load<u32>(decoded, D_PAGE)));
    if (current != load<u32>(decoded, D_VERSION)) forget(decoded);
    else if (since >= readAnewFrom) erase(decoded);
  }
}

/** Ends the round of asking if all have followed, and begins the next if a page needs one. */
function settle(): void {
  if (asking && haveFlushed()) {
    settledBefore = now;
    asking = false;
  }
  if (!asking && lastTracked >= settledBefore) {
    now++;
    askToFlush();
    asking = true;
  }
}

/** As requestAttention (attention.ts) does. */
function askToFlush(): void {
  for (let other: u32 = 0; other < load<u32>(MACHINE, M_HARTS); other++) {
    if (other == hartId) continue;
    const block = HARTS + other * HART_SIZE;
    atomic.or<u32>(block, ATTENTION_FLUSH_WRITES, H_ATTENTION);
    const before: u32 = atomic.add<u32>(block, 1, H_REQUEST);
    store<u32>(ticket(other), before + 1);
  }
}

/** As isServed (attention.ts) decides. */
function haveFlushed(): bool {
  for (let other: u32 = 0; other < load<u32>(MACHINE, M_HARTS); other++) {
    if (other == hartId) continue;
    const block = HARTS + other * HART_SIZE;
    const acknowledged: u32 = atomic.load<u32>(block, H_ACK);
    const quiet: u32 = atomic.load<u32>(block, H_QUIET);
    const isServed = ((acknowledged - load<u32>(ticket(other))) as i32) >= 0;
    if (!isServed && !(quiet & ATTENTION_FLUSH_WRITES)) return false;
  }
  return true;
}
