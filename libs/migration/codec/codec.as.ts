/**
 * The engine's work on bytes, in the guest's own memory: no static data, no heap, so that the harts' modules and this
 * one can share it. Addresses are offsets in that memory; `ram` is where guest page 0 lies.
 *
 * A batch of pages (the payload of a RAM frame, see ../protocol.ts):
 *
 *     u32 count | u32 iteration | count x u32 (page number, bit 31: all zero) | contents of the others, 4096 bytes each
 */
import { PAGE_SHIFT, PAGE_SIZE } from '../../vmm/layout';
import { xxh64 } from './xxh64.as';

export { countBits, takeBits } from './bitmap.as';
export { xxh64 };

const ZERO_PAGE: u32 = 0x8000_0000;
const BATCH_HEADER: usize = 8;

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

/** How many pages of a batch at `batch` carry content, or -1 if the batch is malformed or names a page beyond `pages`. */
export function checkBatch(batch: usize, length: u32, iteration: u32, pages: u32): i32 {
  if (length < <u32>BATCH_HEADER) return -1;
  const count = load<u32>(batch);
  if (load<u32>(batch, 4) != iteration) return -1;
  if (count > (length - <u32>BATCH_HEADER) >> 2) return -1;
  let full: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const entry = load<u32>(batch + BATCH_HEADER + ((i as usize) << 2));
    if ((entry & ~ZERO_PAGE) >= pages) return -1;
    full += entry & ZERO_PAGE ? 0 : 1;
  }
  const expected = (BATCH_HEADER as u64) + ((count as u64) << 2) + ((full as u64) << PAGE_SHIFT);
  return expected == (length as u64) ? (full as i32) : -1;
}

/** Puts the pages of a batch that checkBatch accepted into RAM. Pages that are zero already stay untouched (and unbacked). */
export function unpackPages(ram: usize, batch: usize): void {
  const count = load<u32>(batch);
  let entry = batch + BATCH_HEADER;
  let content = entry + ((count as usize) << 2);
  for (const end = content; entry < end; entry += 4) {
    const number = load<u32>(entry);
    const page = ram + (((number & ~ZERO_PAGE) as usize) << PAGE_SHIFT);
    if (number & ZERO_PAGE) {
      if (!isZero(page)) memory.fill(page, 0, PAGE_SIZE);
    } else {
      memory.copy(page, content, PAGE_SIZE);
      content += PAGE_SIZE;
    }
  }
}

/** Makes `pages` pages of RAM zero again, touching only those that are not. */
export function clearPages(ram: usize, pages: u32): void {
  for (let page = ram; pages > 0; pages--, page += PAGE_SIZE) if (!isZero(page)) memory.fill(page, 0, PAGE_SIZE);
}

/** Completes the frame at `frame`: its first 8 bytes become the checksum of the `length` bytes after them. */
export function seal(frame: usize, length: u32, sequence: u32): void {
  store<u64>(frame, xxh64(frame + 8, length, sequence));
}

/** True if the checksum of the frame at `frame`, over the `length` bytes after it, is right. */
export function isIntact(frame: usize, length: u32, sequence: u32): bool {
  return load<u64>(frame) == xxh64(frame + 8, length, sequence);
}
