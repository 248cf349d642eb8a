/* SBI calls (RISC-V SBI specification 2.0), time, sleep, other harts, and the end. */
#include "guest.h"

enum { SBI_TIME = 0x54494d45, SBI_HSM = 0x48534d };
enum { SIE_STIE = 1 << 5 };

static long sbi(u64 extension, u64 function, u64 a, u64 b, u64 c) {
  register u64 a0 __asm__("a0") = a;
  register u64 a1 __asm__("a1") = b;
  register u64 a2 __asm__("a2") = c;
  register u64 a6 __asm__("a6") = function;
  register u64 a7 __asm__("a7") = extension;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
  return (long)a0;
}

static u64 ticks(void) {
  u64 value;
  __asm__ volatile("rdtime %0" : "=r"(value));
  return value;
}

u64 now_ms(void) { return ticks() / (facts.timebase_hz / 1000); }

u64 now_us(void) {
  u64 now = ticks();
  return now / facts.timebase_hz * 1000000 + now % facts.timebase_hz * 1000000 / facts.timebase_hz;
}

void wait_until_ms(u64 time_ms) {
  __asm__ volatile("csrs sie, %0" ::"r"(SIE_STIE));
  sbi(SBI_TIME, 0, time_ms * (facts.timebase_hz / 1000), 0, 0);
  __asm__ volatile("wfi");
  sbi(SBI_TIME, 0, ~0UL, 0, 0);
}

void sleep_until_ms(u64 time_ms) {
  u64 wake = time_ms * (facts.timebase_hz / 1000);
  /* Interrupts stay disabled in sstatus: a pending one that sie enables ends WFI without being taken. */
  __asm__ volatile("csrs sie, %0" ::"r"(SIE_STIE));
  while (ticks() < wake) {
    sbi(SBI_TIME, 0, wake, 0, 0);
    __asm__ volatile("wfi");
  }
  sbi(SBI_TIME, 0, ~0UL, 0, 0);
}

static u8 stacks[MAX_HARTS][4096] __attribute__((aligned(16)));
static struct { u8 *stack_top; void (*function)(u64); u64 argument; } starts[MAX_HARTS];
extern void secondary_start(void);

int start_hart(u64 hart, void (*function)(u64), u64 argument) {
  starts[hart].stack_top = stacks[hart] + sizeof stacks[hart];
  starts[hart].function = function;
  starts[hart].argument = argument;
  return sbi(SBI_HSM, 0, hart, (u64)secondary_start, (u64)&starts[hart]) == 0;
}

void report_trap(u64 cause, u64 pc, u64 value) {
  print("GUEST ERROR hart=%u kind=trap cause=%x pc=%x value=%x time_ms=%u\n", this_hart(), cause, pc, value, now_ms());
  finish(MACHINE_FAULT);
}

void finish(u32 status) {
  take_console();
  volatile u32 *finisher = (volatile u32 *)0x100000;
  *finisher = status == 0 ? 0x5555 : 0x3333 | status << 16;
  for (;;) __asm__ volatile("wfi");
}

void *memcpy(void *to, const void *from, u64 bytes) {
  for (u64 i = 0; i < bytes; i++) ((u8 *)to)[i] = ((const u8 *)from)[i];
  return to;
}

void *memset(void *to, int value, u64 bytes) {
  for (u64 i = 0; i < bytes; i++) ((u8 *)to)[i] = (u8)value;
  return to;
}

int equals(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}
