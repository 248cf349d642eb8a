/*
 * What an operating system does all the time: a program in U-mode takes a page fault for each page that it touches and
 * makes a system call after each; after a round its pages are taken away again. One hart at a time.
 */
#include "speed.h"

enum { PAGES = 1024, FAULT_STORE = 15, FAULT_LOAD = 13, ECALL_USER = 8 };
enum { V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128 };
#define SV39 (8UL << 60)
#define GIB (1UL << 30)
/* The program at 1 GiB, its data 2 MiB above. */
#define USER_CODE GIB
#define USER_DATA (GIB + 2 * MIB)

/* user.S */
extern u8 user_program[], user_program_end[];
void enter_user(u64 pc, u64 data, u64 pages, u64 rounds);
void leave_user(void);

static u64 *root_table, *data_tables[2], *code_table;
static u8 *frames;
static u64 mapped, calls, faults;

static u64 entry(void *page, u64 flags) { return (u64)page / PAGE_SIZE << 10 | flags | V; }

/* Called with every trap of the program; returns how far its pc moves on, or never (leave_user). */
u64 handle_trap(u64 cause, u64 value, u64 number) {
  if ((cause == FAULT_STORE || cause == FAULT_LOAD) && value - USER_DATA < PAGES * PAGE_SIZE) {
    u64 page = (value - USER_DATA) / PAGE_SIZE;
    data_tables[page >> 9][page & 511] = entry(frames + mapped++ * PAGE_SIZE, R | W | U | A | D);
    faults++;
    return 0;
  }
  if (cause != ECALL_USER) {
    print("GUEST ERROR speed: unexpected trap cause=%x value=%x\n", cause, value);
    finish(MACHINE_FAULT);
  }
  calls++;
  if (number == 1) { /* the end of a round */
    memset(data_tables[0], 0, PAGE_SIZE);
    memset(data_tables[1], 0, PAGE_SIZE);
    mapped = 0;
    __asm__ volatile("sfence.vma");
  } else if (number == 2) {
    leave_user();
  }
  return 4;
}

u64 run_system(u64 rounds, u8 *arena) {
  u64 *middle = (u64 *)(arena + PAGE_SIZE);
  root_table = (u64 *)arena;
  code_table = (u64 *)(arena + 2 * PAGE_SIZE);
  data_tables[0] = (u64 *)(arena + 3 * PAGE_SIZE);
  data_tables[1] = (u64 *)(arena + 4 * PAGE_SIZE);
  u8 *code = arena + 5 * PAGE_SIZE;
  frames = arena + MIB;
  memcpy(code, user_program, (u64)(user_program_end - user_program));

  /* Devices and RAM stay where they are, as gigapages. */
  for (u64 gib = 0; gib < 6; gib++) root_table[gib] = entry((void *)(gib * GIB), R | W | X | A | D);
  root_table[1] = entry(middle, 0);
  middle[0] = entry(code_table, 0);
  middle[1] = entry(data_tables[0], 0);
  middle[2] = entry(data_tables[1], 0);
  code_table[0] = entry(code, R | X | U | A);
  __asm__ volatile("fence.i; csrw satp, %0; sfence.vma" ::"r"(SV39 | (u64)root_table / PAGE_SIZE) : "memory");
  enter_user(USER_CODE, USER_DATA, PAGES, rounds);
  __asm__ volatile("csrw satp, zero; sfence.vma" ::: "memory");
  return calls << 32 | faults;
}
