/** Bitmaps of pages: bit n of the little-endian bit string is page n, as in the dirty log. `words` counts 64-bit words. */

/** Moves every set bit of `from` into `to`, a word at a time and atomically: the harts go on setting bits in `from`. */
export function moveBits(from: usize, to: usize, words: u32): void {
  for (const end = from + ((words as usize) << 3); from < end; from += 8, to += 8) {
    if (load<u64>(from) == 0) continue;
    store<u64>(to, load<u64>(to) | atomic.xchg<u64>(from, 0));
  }
}

/** How many bits are set. */
export function countBits(bitmap: usize, words: u32): u32 {
  let count: u64 = 0;
  for (const end = bitmap + ((words as usize) << 3); bitmap < end; bitmap += 8) count += popcnt<u64>(load<u64>(bitmap));
  return count as u32;
}

/**
 * Clears up to `most` set bits from word `first` on, and writes their numbers as u32 to `list`, rising.
 * Returns how many; a caller goes on at the word of the last one.
 */
export function takeBits(bitmap: usize, words: u32, first: u32, list: usize, most: u32): u32 {
  let count: u32 = 0;
  for (let word = first; word < words && count < most; word++) {
    const at = bitmap + ((word as usize) << 3);
    let bits = load<u64>(at);
    for (; bits != 0 && count < most; count++) {
      store<u32>(list + ((count as usize) << 2), (word << 6) + (ctz<u64>(bits) as u32));
      bits &= bits - 1;
    }
    store<u64>(at, bits);
  }
  return count;
}
