/* What a guest program needs of its machine: console, exit, time, harts, and what the device tree says. */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define MAX_HARTS 16
#define PAGE_SIZE 4096UL
#define MIB (1UL << 20)

/* Exit statuses of all programs. */
enum { DONE = 0, BAD_PAGE = 1, BAD_ARGUMENT = 2, MACHINE_FAULT = 3 };

/* console.c: 16550 UART at 0x10000000. print knows %u (u64), %x (u64) and %s; a line from one hart stays whole. */
void print(const char *format, ...);
void take_console(void); /* lets no other hart print, until this one has printed */

/* machine.c */
/* Ends the machine, which becomes the VMM's exit status; the last word stays the last line on the console. */
void finish(u32 status) __attribute__((noreturn));
u64 now_ms(void); /* guest time since the machine began */
u64 now_us(void);
void sleep_until_ms(u64 time_ms); /* waits in WFI */
void wait_until_ms(u64 time_ms);  /* the same, or until an interrupt is pending that sie enables */
int start_hart(u64 hart, void (*function)(u64), u64 argument);
static inline u64 this_hart(void) { u64 id; __asm__ volatile("mv %0, tp" : "=r"(id)); return id; }

/* devicetree.c */
struct machine_facts {
  const char *bootargs;
  u64 ram_start, ram_bytes;
  u64 timebase_hz;
  u32 harts;
  u64 tree_start, tree_bytes;
};
extern struct machine_facts facts;
void read_device_tree(const void *tree);
/* Value of `name=` in bootargs: 1 = found and put into *value; 0 = absent; -1 = not a number (max_word = that word). */
int argument(const char *name, u64 *value, const char *max_word);
int argument_word(const char *name, char *word, u32 size);
/* Ends the machine with BAD_ARGUMENT if bootargs hold anything but these (ended by 0), each written `name=value`. */
void allow_arguments(const char *program, const char *const *names);

void *memcpy(void *to, const void *from, u64 bytes);
void *memset(void *to, int value, u64 bytes);
int equals(const char *a, const char *b);

#endif
