/* The kinds of work. Each runs `rounds` times in its arena, which is zero at first, and returns a check value. */
#ifndef SPEED_H
#define SPEED_H
#include "../lib/guest.h"

u64 run_mix(u64 rounds, u8 *arena);    /* lists, a small matrix, a state machine and a CRC, as CoreMark mixes them */
u64 run_sieve(u64 rounds, u8 *arena);  /* primes below 2^18 */
u64 run_sort(u64 rounds, u8 *arena);   /* quicksort of 32,768 words */
u64 run_crc(u64 rounds, u8 *arena);    /* CRC-32 by table of 256 KiB */
u64 run_stream(u64 rounds, u8 *arena); /* a[i] = b[i] + 3 c[i] over three arrays of 16 MiB */
u64 run_touch(u64 rounds, u8 *arena);  /* a store to each page of 256 MiB */
u64 run_float(u64 rounds, u8 *arena);  /* bodies under gravity and products of matrices, in double precision */
u64 run_system(u64 rounds, u8 *arena); /* U-mode: 1,024 page faults and as many system calls a round, under Sv39 */

/* Before any work: all harts read the table, none may find it half filled. */
void fill_crc_table(void);

/* The same numbers everywhere (xorshift64, Marsaglia 2003). */
static inline u64 next_random(u64 *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}
#endif
