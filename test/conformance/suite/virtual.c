/* A program in the style of the suites' virtual environment: a supervisor that gives pages to a program in U-mode when it
 * first touches them, and takes them away again. It speaks to its host by `tohost`: the console, a system call, the end. */
typedef unsigned long u64;

extern volatile u64 tohost, fromhost;
void enter_user(void (*entry)(u64), u64 stack, u64 argument);

enum { PAGE = 4096, FRAMES = 4, PAGES = 16 };
enum { V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128 };
static const u64 USER = 0x40000000;

static u64 root[512] __attribute__((aligned(4096)));
static u64 middle[512] __attribute__((aligned(4096)));
static u64 leaves[512] __attribute__((aligned(4096)));
static char frames[FRAMES][PAGE] __attribute__((aligned(4096)));
static char backing[PAGES][PAGE];
static int owner[FRAMES]; /* which page a frame holds, from 1 */
static int next;

static void say(u64 value) {
  while (tohost) fromhost = 0;
  tohost = value;
}

static void put(char c) { say(1UL << 56 | 1UL << 48 | c); }

static void end(u64 code) {
  say(code << 1 | 1);
  for (;;) {}
}

#ifdef HOST_CALLS
/* A system call of the host: what the suites' benchmarks print with. */
static void print(const char *text, u64 length) {
  static volatile u64 call[8] __attribute__((aligned(64)));
  call[0] = 64, call[1] = 1, call[2] = (u64)text, call[3] = length;
  __sync_synchronize();
  say((u64)call);
  while (!fromhost) {}
  fromhost = 0;
  if (call[0] != length) end(20);
}
#endif

static void copy(char *to, const char *from) {
  for (int i = 0; i < PAGE; i++) to[i] = from[i];
}

static void evict(int frame) {
  int page = owner[frame] - 1;
  u64 entry = leaves[page];
  leaves[page] = 0;
  __asm__ volatile("sfence.vma %0" ::"r"(USER + page * PAGE) : "memory");
  if (!(entry & A)) end(21);
  if (entry & D) copy(backing[page], frames[frame]);
  owner[frame] = 0;
}

void handle(u64 cause, u64 value, u64 *registers) {
  if (cause == 8) { /* ECALL from U: the code is in a0 */
    put('v');
#ifdef HOST_CALLS
    print("irtual\n", 7);
#endif
    end(registers[10]);
  }
  if (cause != 13 && cause != 15) end(cause + 64);
  u64 page = (value - USER) / PAGE;
  if (page >= PAGES) end(22);
  if (owner[next]) evict(next);
  copy(frames[next], backing[page]);
  owner[next] = page + 1;
  leaves[page] = (u64)frames[next] >> 2 | V | R | W | U;
  next = (next + 1) % FRAMES;
}

/* Runs in U-mode; its page of code is mapped once more for that. */
__attribute__((section(".text.user"), aligned(4096))) static void user(u64 base) {
  u64 wrong = 0;
  for (int round = 0; round < 3; round++) {
    for (int page = 0; page < PAGES; page++) {
      volatile u64 *word = (volatile u64 *)(base + page * PAGE + 8 * page);
      if (*word != (u64)(round ? page * round + round - 1 : 0)) wrong = 1 + page;
      *word = page * (round + 1) + round;
    }
  }
#ifdef WRONG
  wrong = WRONG;
#endif
  register u64 a0 __asm__("a0") = wrong;
  __asm__ volatile("ecall" ::"r"(a0));
  for (;;) {}
}

void supervisor(void) {
  const u64 code = 0x40100000;
  root[2] = 0x80000000UL >> 2 | V | R | W | X | A | D; /* itself, in one gigapage */
  root[1] = (u64)middle >> 2 | V;
  middle[0] = (u64)leaves >> 2 | V;
  leaves[256] = (u64)user >> 2 | V | X | U;
  __asm__ volatile("csrw satp, %0; sfence.vma" ::"r"(8UL << 60 | (u64)root >> 12) : "memory");
  enter_user((void (*)(u64))code, 0, USER);
}
