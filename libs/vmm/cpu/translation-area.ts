/**
 * What a hart keeps about translated code, in its cache area behind CACHE_TRANSLATED (layout.ts). Like layout.ts this
 * holds nothing but whole-number constants; offsets are from the beginning of that part. Translated code itself is
 * WebAssembly, in the table of the hart's instance; here it is a number in that table, 0 for none.
 *
 *     0x00_0000  T_ fields and the ring of requests
 *     0x01_0000  T_JUMPS   by virtual address: JUMPS entries of u64 pc, u32 key, u32 code; see cpu/translated
 *     0x06_0000  T_COUNTS  u16 each, COUNTS of them: how often jumps came to addresses without code
 *     0x10_0000  T_PLACES  by physical address: PLACES entries of u64 place + 1, u32 CODE_VERSION, u32 code
 *
 * A place is a physical address counted from RAM_BASE.
 */

/** u32: what keys of valid T_JUMPS entries have above their low two bits, which are the privilege mode. */
export const T_GENERATION = 0x00;
/** u32: entries in T_PLACES. */
export const T_PLACES_USED = 0x04;
/** i32, atomic: how many translated modules have been posted to the hart's thread. */
export const T_POSTED = 0x08;
/** u32, atomic: requests written by the hart, and those taken by the translator, since the beginning. */
export const T_REQUESTED = 0x40;
export const T_TAKEN = 0x80;
/** u64 each: the places that the hart wants to be translated; the ring is indexed by the counts above. */
export const T_REQUESTS = 0x100;
export const REQUESTS = 256;

export const T_JUMPS = 0x1_0000;
export const JUMPS = 0x4000;
export const T_COUNTS = 0x6_0000;
export const COUNTS = 0x1_0000;
export const T_PLACES = 0x10_0000;
export const PLACES = 0x4000;
/** More translated functions than this, and the hart forgets all. Half of PLACES, so that searches stay short. */
export const MAX_TRANSLATED = 0x2000;

/** In what a translated function returns, beside twice the instructions left: the interpreter must go on. */
export const EXIT_INTERPRET = 1;
