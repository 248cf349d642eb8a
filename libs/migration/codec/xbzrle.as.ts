/**
 * XBZRLE's cache at the source: pages as the destination has them, and batches whose pages it turns into deltas. It lives
 * in a memory of its own, beside the guest's:
 *
 *     XBZRLE_FIGURES   u32 each: pages sent as deltas, bytes of these, pages not found, pages whose delta was too long
 *     XBZRLE_IN        the batch
 *     XBZRLE_OUT       the batch with deltas
 *     XBZRLE_INDEX     for each place: u32 page number + 1 (0: empty), u32 pass in which it was last sent
 *     after that       for each place: the page
 *
 * A page has one place, by its number. Whoever was sent in this pass or the one before keeps it (as in QEMU,
 * migration/page_cache.c), so that a cache that is too small helps a part of the pages.
 */
import { PAGE_SHIFT, PAGE_SIZE } from '../../vmm/layout';
import { BATCH_HEADER, DELTA_PAGE, PAGE_NUMBER, ZERO_PAGE } from './page-entry.as';
import { encodeDelta } from './delta.as';
import { XBZRLE_FIGURES, XBZRLE_IN, XBZRLE_INDEX, XBZRLE_OUT } from './xbzrle-layout';

const FIGURES: usize = XBZRLE_FIGURES;
const IN: usize = XBZRLE_IN;
const OUT: usize = XBZRLE_OUT;
const INDEX: usize = XBZRLE_INDEX;
const PASSES_KEPT: u32 = 2;
/** A longer delta is not worth it: with its length it must be shorter than a page. */
const LONGEST_DELTA: u32 = PAGE_SIZE - 4;

/** Places in the cache, a power of two. */
let places: u32 = 0;

/** Begins with an empty cache of so many pages; the memory from XBZRLE_INDEX on must be zero. */
export function openCache(pages: u32): void {
  places = pages;
}

@inline
function count(figure: usize, by: u32): void {
  store<u32>(FIGURES + (figure << 2), load<u32>(FIGURES + (figure << 2)) + by);
}

@inline
function indexOf(number: u32): usize {
  return INDEX + (((number & (places - 1)) as usize) << 3);
}

@inline
function cachedPage(number: u32): usize {
  return INDEX + ((places as usize) << 3) + (((number & (places - 1)) as usize) << PAGE_SHIFT);
}

/** Writes the batch at XBZRLE_IN, which has no deltas, to XBZRLE_OUT with as many as there can be; returns its bytes. */
export function encodeBatch(): u32 {
  const pages = load<u32>(IN);
  const pass = load<u32>(IN, 4);
  store<u64>(OUT, load<u64>(IN));
  const contents = BATCH_HEADER + ((pages as usize) << 2);
  let from = IN + contents;
  let to = OUT + contents;
  for (let entry = BATCH_HEADER; entry < contents; entry += 4) {
    const page = load<u32>(IN + entry);
    store<u32>(OUT + entry, page);
    if (page & ZERO_PAGE) {
      rememberZero(page & PAGE_NUMBER, pass);
      continue;
    }
    const length = encodeKnown(page, from, to + 2, pass);
    if (length < 0) {
      memory.copy(to, from, PAGE_SIZE);
      to += PAGE_SIZE;
    } else {
      store<u32>(OUT + entry, page | DELTA_PAGE);
      store<u16>(to, length);
      to += 2 + length;
    }
    from += PAGE_SIZE;
  }
  return (to - OUT) as u32;
}

/** The delta of a page against what is cached, or -1; either way the cache knows the page from now on, if it may. */
function encodeKnown(number: u32, page: usize, out: usize, pass: u32): i32 {
  const index = indexOf(number);
  const cached = cachedPage(number);
  const holder = load<u32>(index);
  let length = -1;
  if (holder == number + 1) {
    length = encodeDelta(cached, page, out, LONGEST_DELTA);
    if (length < 0) {
      count(3, 1);
    } else {
      count(0, 1);
      count(1, 2 + length);
    }
  } else {
    count(2, 1);
    if (holder != 0 && load<u32>(index, 4) + PASSES_KEPT > pass) return -1;
  }
  store<u32>(index, number + 1);
  store<u32>(index, pass, 4);
  memory.copy(cached, page, PAGE_SIZE);
  return length;
}

function rememberZero(number: u32, pass: u32): void {
  const index = indexOf(number);
  if (load<u32>(index) != number + 1) return;
  store<u32>(index, pass, 4);
  memory.fill(cachedPage(number), 0, PAGE_SIZE);
}
