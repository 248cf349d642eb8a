/**
 * What has changed in a page, as QEMU's XBZRLE writes it (docs/xbzrle.txt): pairs of runs until nothing differs any more,
 *
 *     length of what is equal | length of what is not, at least 1 | its new bytes
 *
 * with lengths as ULEB128. Nothing says that the rest of the page is equal; an unchanged page has the empty delta.
 */
import { PAGE_SIZE } from '../../vmm/layout';

/** Equal bytes in the midst of others, that many, take no more room than the lengths of two runs. */
const LEAST_GAP: u32 = 2;
/** Two lengths of two bytes each. */
const RUN_HEADER: u32 = 4;
/** PAGE_SIZE as the type that lengths have. */
const PAGE: u32 = PAGE_SIZE;
const EQUAL: u32 = 0;
const DIFFERENT: u32 = 0xffff;

/** First byte from `at` on that is EQUAL, or DIFFERENT, in both pages; PAGE if there is none. */
function find(what: u32, old: usize, fresh: usize, at: u32): u32 {
  while (at < PAGE) {
    const block = at & ~15;
    const equal = i8x16.eq(v128.load(old + block), v128.load(fresh + block));
    const found = ((i8x16.bitmask(equal) as u32) ^ what) & (0xffff << (at & 15)) & 0xffff;
    if (found != 0) return block + ctz(found);
    at = block + 16;
  }
  return PAGE;
}

/** Where a run of different bytes that begins at `at` ends. */
function runEnd(old: usize, fresh: usize, at: u32): u32 {
  let end = find(EQUAL, old, fresh, at);
  let next = find(DIFFERENT, old, fresh, end);
  while (next < PAGE && next - end <= LEAST_GAP) {
    end = find(EQUAL, old, fresh, next);
    next = find(DIFFERENT, old, fresh, end);
  }
  return end;
}

function storeLength(to: usize, length: u32): usize {
  if (length < 0x80) {
    store<u8>(to, length);
    return to + 1;
  }
  store<u8>(to, length | 0x80);
  store<u8>(to, length >> 7, 1);
  return to + 2;
}

/** Writes the delta from page `old` to page `fresh` to `out`; returns its length, or -1 if it is longer than `most`. */
export function encodeDelta(old: usize, fresh: usize, out: usize, most: u32): i32 {
  let to = out;
  let at: u32 = 0;
  let begin = find(DIFFERENT, old, fresh, 0);
  while (begin < PAGE) {
    const end = runEnd(old, fresh, begin);
    const length = end - begin;
    if (((to - out) as u32) + RUN_HEADER + length > most) return -1;
    to = storeLength(storeLength(to, begin - at), length);
    memory.copy(to, fresh + begin, length);
    to += length;
    at = end;
    begin = find(DIFFERENT, old, fresh, at);
  }
  return (to - out) as i32;
}

/** Where loadLength goes on reading. */
let cursor: usize = 0;

function loadLength(): u32 {
  const low: u32 = load<u8>(cursor++);
  if (low < 0x80) return low;
  const high: u32 = load<u8>(cursor++);
  return (low & 0x7f) | (high << 7);
}

/** True if the `length` bytes at `delta` change nothing but one page. Reads at most 3 bytes behind them. */
export function isDelta(delta: usize, length: u32): bool {
  const end = delta + length;
  let at: u32 = 0;
  for (cursor = delta; cursor < end;) {
    at += loadLength();
    const changed = loadLength();
    at += changed;
    cursor += changed;
    if (changed == 0 || at > PAGE || cursor > end) return false;
  }
  return true;
}

/** Makes the page what the delta, which isDelta accepted, was made of. */
export function applyDelta(page: usize, delta: usize, length: u32): void {
  const end = delta + length;
  for (cursor = delta; cursor < end;) {
    page += loadLength();
    const changed = loadLength();
    memory.copy(page, cursor, changed);
    page += changed;
    cursor += changed;
  }
}
