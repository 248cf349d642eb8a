/* What a guest program needs of its machine: console, exit, time, harts, and what the device tree says. */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define MAX_HARTS 16
#define PAGE_SIZE 4096UL
#define MIB (1UL << 20)

/* console.c: 16550 UART at 0x10000000. print knows %u (u64), %x (u64), %s and %c; a line from one hart stays whole. */
void print(const char *format, ...);

/* machine.c */
void finish(u32 status) __attribute__((noreturn)); /* ends the machine: exit status of the VMM */
u64 now_ms(void);                                  /* guest time since the machine began */
void sleep_until_ms(u64 time_ms);                  /* waits in WFI */
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

void *memcpy(void *to, const void *from, u64 bytes);
void *memset(void *to, int value, u64 bytes);
int equals(const char *a, const char *b);

#endif
