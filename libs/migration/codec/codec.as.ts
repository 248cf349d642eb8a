/**
 * The engine's work on bytes, in the guest's own memory: no static data, no heap, so that the harts' modules and this
 * one can share it. Addresses are offsets in that memory; `ram` is where guest page 0 lies.
 *
 * A batch of pages (the payload of a RAM frame, see ../protocol.ts):
 *
 *     u32 count | u32 iteration | count x u32 page | contents, in the order of the pages
 *
 * A page is its number, with bit 31 if it is all zero: then it has no content. With bit 30 its content is what changed in
 * it since the destination got it last, u16 length | delta (delta.as.ts); else it is the page itself.
 */
import { PAGE_SHIFT, PAGE_SIZE } from '../../vmm/layout';
import { applyDelta, isDelta } from './delta.as';
import { BATCH_HEADER, DELTA_PAGE, PAGE_NUMBER, ZERO_PAGE } from './page-entry.as';
import { xxh64 } from './xxh64.as';

export { countBits, takeBits } from './bitmap.as';
export { applyDelta, encodeDelta, isDelta } from './delta.as';
export { encodeBatch, openCache } from './xbzrle.as';
export { xxh64 };

/** True if all bytes of a page are zero; most pages that are not show it in their first 16 bytes. */
function isZero(page: usize): bool {
  if (v128.any_true(v128.load(page))) return false;
  for (let left: usize = PAGE_SIZE; left > 0; left -= 64, page += 64) { // the end of the last page may be 2^32: no address
    const upper = v128.or(v128.load(page), v128.load(page, 16));
    const lower = v128.or(v128.load(page, 32), v128.load(page, 48));
    if (v128.any_true(v128.or(upper, lower))) return false;
  }
  return true;
}

/** Writes the `count` pages that `list` names as a batch to `out`; returns its length in bytes. */
export function packPages(ram: usize, list: usize, count: u32, iteration: u32, out: usize): u32 {
  store<u32>(out, count);
  store<u32>(out, iteration, 4);
  let entry = out + BATCH_HEADER;
  let content = entry + ((count as usize) << 2);
  for (let i: u32 = 0; i < count; i++, entry += 4) {
    const number = load<u32>(list + ((i as usize) << 2));
    const page = ram + ((number as usize) << PAGE_SHIFT);
    if (isZero(page)) {
      store<u32>(entry, number | ZERO_PAGE);
    } else {
      store<u32>(entry, number);
      memory.copy(content, page, PAGE_SIZE);
      content += PAGE_SIZE;
    }
  }
  return (content - out) as u32;
}

/** How many pages of a batch at `batch` are zero, or -1 if the batch is malformed or names a page beyond `pages`. */
export function checkBatch(batch: usize, length: u32, iteration: u32, pages: u32): i32 {
  if (length < <u32>BATCH_HEADER) return -1;
  const count = load<u32>(batch);
  if (load<u32>(batch, 4) != iteration) return -1;
  if (count > (length - <u32>BATCH_HEADER) >> 2) return -1;
  const end = batch + length;
  let entry = batch + BATCH_HEADER;
  let content = entry + ((count as usize) << 2);
  let zeros = 0;
  for (const last = content; entry < last; entry += 4) {
    const page = load<u32>(entry);
    if ((page & ~(ZERO_PAGE | DELTA_PAGE)) >= pages) return -1;
    if (page & ZERO_PAGE) {
      if (page & DELTA_PAGE) return -1;
      zeros++;
    } else if (page & DELTA_PAGE) {
      const bytes: u32 = load<u16>(content);
      content += 2;
      if (content + bytes > end || !isDelta(content, bytes)) return -1;
      content += bytes;
    } else {
      content += PAGE_SIZE;
    }
    if (content > end) return -1;
  }
  return content == end ? zeros : -1;
}

/** Puts the pages of a batch that checkBatch accepted into RAM. Pages that are zero already stay untouched (and unbacked). */
export function unpackPages(ram: usize, batch: usize): void {
  const count = load<u32>(batch);
  let entry = batch + BATCH_HEADER;
  let content = entry + ((count as usize) << 2);
  for (const end = content; entry < end; entry += 4) {
    const number = load<u32>(entry);
    const page = ram + (((number & PAGE_NUMBER) as usize) << PAGE_SHIFT);
    if (number & ZERO_PAGE) {
      if (!isZero(page)) memory.fill(page, 0, PAGE_SIZE);
    } else if (number & DELTA_PAGE) {
      const bytes: u32 = load<u16>(content);
      applyDelta(page, content + 2, bytes);
      content += 2 + bytes;
    } else {
      memory.copy(page, content, PAGE_SIZE);
      content += PAGE_SIZE;
    }
  }
}

/**
 * Puts the pages of a checked batch into RAM whose bits in `missing` are set, then clears these. Returns how many; -1, and
 * places none, if there is a delta: what it would apply to is not there.
 */
export function placePages(ram: usize, missing: usize, batch: usize): i32 {
  const count = load<u32>(batch);
  let placed = 0;
  let entry = batch + BATCH_HEADER;
  let content = entry + ((count as usize) << 2);
  const end = content;
  for (let each = entry; each < end; each += 4) if (load<u32>(each) & DELTA_PAGE) return -1;
  for (; entry < end; entry += 4) {
    const page = load<u32>(entry);
    const number = page & PAGE_NUMBER;
    const word = missing + ((number >> 5) << 2);
    const bit = (1 as u32) << (number & 31);
    const bits: u32 = atomic.load<u32>(word);
    if (bits & bit) {
      const at = ram + ((number as usize) << PAGE_SHIFT);
      if (!(page & ZERO_PAGE)) memory.copy(at, content, PAGE_SIZE);
      else if (!isZero(at)) memory.fill(at, 0, PAGE_SIZE);
      atomic.and<u32>(word, ~bit);
      placed++;
    }
    if (!(page & ZERO_PAGE)) content += PAGE_SIZE;
  }
  return placed;
}

/** Makes `pages` pages of RAM zero again, touching only those that are not. */
export function clearPages(ram: usize, pages: u32): void {
  for (let page = ram; pages > 0; pages--, page += PAGE_SIZE) if (!isZero(page)) memory.fill(page, 0, PAGE_SIZE);
}

/** Lists at `list` which of the `count` pages from page `first` on are not zero; returns how many. */
export function listContent(ram: usize, first: u32, count: u32, list: usize): u32 {
  let found: u32 = 0;
  for (let number = first; number < first + count; number++) {
    if (isZero(ram + ((number as usize) << PAGE_SHIFT))) continue;
    store<u32>(list + ((found as usize) << 2), number);
    found++;
  }
  return found;
}

/** Completes the frame at `frame`: its first 8 bytes become the checksum of the `length` bytes after them. */
export function seal(frame: usize, length: u32, sequence: u32): void {
  store<u64>(frame, xxh64(frame + 8, length, sequence));
}

/** True if the checksum of the frame at `frame`, over the `length` bytes after it, is right. */
export function isIntact(frame: usize, length: u32, sequence: u32): bool {
  return load<u64>(frame) == xxh64(frame + 8, length, sequence);
}
