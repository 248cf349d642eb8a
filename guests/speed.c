/*
 * Work of several kinds, each repeated `rounds=` times and timed by the guest's own clock, and that `laps=` times: what
 * the machine is measured with. The check value depends on every result, so a machine that computes wrongly is not fast
 * but wrong.
 */
#include "lib/guest.h"
#include "speed/speed.h"

static const struct work { const char *name; u64 (*run)(u64 rounds, u8 *arena); u64 arena_mib; } works[] = {
  {"mix", run_mix, 1},       {"sieve", run_sieve, 1},   {"sort", run_sort, 1},   {"crc", run_crc, 1},
  {"stream", run_stream, 48}, {"touch", run_touch, 256}, {"float", run_float, 1}, {"system", run_system, 32},
};
enum { WORKS = sizeof works / sizeof works[0], SSTATUS_FS_INITIAL = 1 << 13 };

extern u8 image_end[];
static const struct work *chosen;
static u64 rounds = 1, harts = 1, laps = 1, wait_ms;
static volatile u32 ready, done;

static u8 *arena_of(u64 index) {
  u64 first = ((u64)image_end + MIB - 1) / MIB * MIB;
  return (u8 *)(first + index * chosen->arena_mib * MIB);
}

static void work(u64 index) {
  __asm__ volatile("csrs sstatus, %0" ::"r"(SSTATUS_FS_INITIAL));
  __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
  while (ready < harts) ;
  for (u64 lap = 0; lap < laps; lap++) {
    u64 began_us = now_us();
    u64 check = chosen->run(rounds, arena_of(index));
    u64 took_us = now_us() - began_us;
    print("speed run=%s hart=%u us=%u check=%x\n", chosen->name, index, took_us, check);
  }
  __atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
}

static void wrong(const char *what) {
  print("speed: %s\n", what);
  finish(BAD_ARGUMENT);
}

void main(u64 hart, const void *tree) {
  static const char *const names[] = {"run", "rounds", "harts", "laps", "wait", 0};
  char name[16] = "mix";
  read_device_tree(tree);
  allow_arguments("speed", names);
  argument_word("run", name, sizeof name);
  for (u64 i = 0; i < WORKS; i++)
    if (equals(name, works[i].name)) chosen = &works[i];
  if (!chosen) wrong("run= takes mix, sieve, sort, crc, stream, touch, float or system");
  if (argument("rounds", &rounds, 0) < 0 || rounds == 0) wrong("rounds= takes a number from 1");
  if (argument("harts", &harts, 0) < 0 || harts == 0 || harts > facts.harts) wrong("harts= takes 1 to all harts");
  if (argument("laps", &laps, 0) < 0 || laps == 0) wrong("laps= takes a number from 1");
  if (argument("wait", &wait_ms, 0) < 0) wrong("wait= takes a number of ms");
  if ((u64)arena_of(harts) > facts.ram_start + facts.ram_bytes - 4 * MIB) wrong("not enough RAM for this work");

  fill_crc_table();
  sleep_until_ms(wait_ms);
  for (u64 other = 0, index = 1; index < harts; other++)
    if (other != hart && !start_hart(other, work, index++)) finish(MACHINE_FAULT);
  work(0);
  while (done < harts) ;
  finish(DONE);
}
