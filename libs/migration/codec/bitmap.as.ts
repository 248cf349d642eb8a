/** Bitmaps of pages, as in the dirty log: bit n & 63 of 64-bit word n >> 6 is page n. */

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
