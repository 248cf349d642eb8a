/* Work that the host's memory has to serve. */
#include "speed.h"

enum { STREAM_WORDS = (16 << 20) / 8 };

u64 run_stream(u64 rounds, u8 *arena) {
  u64 *a = (u64 *)arena, *b = a + STREAM_WORDS, *c = b + STREAM_WORDS;
  for (u64 i = 0; i < STREAM_WORDS; i++) b[i] = i, c[i] = ~i;
  for (u64 round = 0; round < rounds; round++) {
    for (u64 i = 0; i < STREAM_WORDS; i++) a[i] = b[i] + 3 * c[i];
    u64 *old = b;
    b = a;
    a = old;
  }
  return b[1] ^ b[STREAM_WORDS - 1];
}

u64 run_touch(u64 rounds, u8 *arena) {
  u64 check = 0;
  for (u64 round = 0; round < rounds; round++)
    for (u64 page = 0; page < 256 * MIB / PAGE_SIZE; page++) {
      u64 *word = (u64 *)(arena + page * PAGE_SIZE + (page & 63) * 64);
      check += *word;
      *word = page + round;
    }
  return check;
}
