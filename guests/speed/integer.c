/* Work on whole numbers that lies in the caches of the host. */
#include "speed.h"

enum { SIEVE = 1 << 18, WORDS = 32768, CRC_BYTES = 256 << 10 };

u64 run_sieve(u64 rounds, u8 *composite) {
  u64 primes = 0;
  for (u64 round = 0; round < rounds; round++) {
    memset(composite, 0, SIEVE);
    for (u32 i = 2; i < SIEVE; i++) {
      if (composite[i]) continue;
      primes++;
      for (u32 j = 2 * i; j < SIEVE; j += i) composite[j] = 1;
    }
  }
  return primes;
}

static void quicksort(u32 *words, long from, long to) {
  while (from < to) {
    u32 pivot = words[(from + to) / 2];
    long i = from, j = to;
    while (i <= j) {
      while (words[i] < pivot) i++;
      while (words[j] > pivot) j--;
      if (i > j) break;
      u32 word = words[i];
      words[i++] = words[j];
      words[j--] = word;
    }
    quicksort(words, from, j);
    from = i;
  }
}

u64 run_sort(u64 rounds, u8 *arena) {
  u32 *words = (u32 *)arena;
  u64 random = 1, check = 0;
  for (u64 round = 0; round < rounds; round++) {
    for (u32 i = 0; i < WORDS; i++) words[i] = (u32)next_random(&random);
    quicksort(words, 0, WORDS - 1);
    for (u32 i = 1; i < WORDS; i++)
      if (words[i - 1] > words[i]) return 0;
    check ^= words[round % WORDS];
  }
  return check;
}

static u32 crc_table[256];

void fill_crc_table(void) {
  for (u32 i = 0; i < 256; i++) {
    u32 entry = i;
    for (u32 bit = 0; bit < 8; bit++) entry = entry & 1 ? entry >> 1 ^ 0xedb88320 : entry >> 1;
    crc_table[i] = entry;
  }
}

static u32 crc(u32 sum, const u8 *bytes, u64 count) {
  for (u64 i = 0; i < count; i++) sum = crc_table[(sum ^ bytes[i]) & 255] ^ sum >> 8;
  return sum;
}

u64 run_crc(u64 rounds, u8 *arena) {
  u64 random = 1;
  u32 sum = ~0U;
  volatile u32 *sums = (u32 *)(arena + CRC_BYTES); /* so that this work, too, writes memory */
  for (u32 i = 0; i < CRC_BYTES; i++) arena[i] = (u8)next_random(&random);
  for (u64 round = 0; round < rounds; round++) *sums = sum = crc(sum, arena, CRC_BYTES);
  return sum;
}

/* A list that is sorted by merging, again and again in another order. */
struct node { struct node *next; u32 key, value; };

static struct node *merge(struct node *a, struct node *b, int by_key) {
  struct node head, *last = &head;
  while (a && b) {
    int first = by_key ? a->key <= b->key : a->value <= b->value;
    struct node **taken = first ? &a : &b;
    last = last->next = *taken;
    *taken = (*taken)->next;
  }
  last->next = a ? a : b;
  return head.next;
}

static struct node *sort_list(struct node *list, int by_key) {
  if (!list || !list->next) return list;
  struct node *middle = list;
  for (struct node *end = list->next; end && end->next; end = end->next->next) middle = middle->next;
  struct node *second = middle->next;
  middle->next = 0;
  return merge(sort_list(list, by_key), sort_list(second, by_key), by_key);
}

/* Reads a text of numbers and signs, and counts in which state each character was met. */
static void scan(const u8 *text, u32 length, u32 counts[8]) {
  enum { START, SIGN, INTEGER, FRACTION, EXPONENT, POWER, SEPARATOR, INVALID } state = START;
  for (u32 i = 0; i < length; i++) {
    u8 c = text[i];
    int digit = c >= '0' && c <= '9';
    if (c == ',') state = SEPARATOR;
    else switch (state) {
      case START: case SEPARATOR: state = digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? FRACTION : INVALID; break;
      case SIGN: state = digit ? INTEGER : c == '.' ? FRACTION : INVALID; break;
      case INTEGER: state = digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID; break;
      case FRACTION: state = digit ? FRACTION : c == 'e' ? EXPONENT : INVALID; break;
      case EXPONENT: state = digit || c == '+' || c == '-' ? POWER : INVALID; break;
      case POWER: state = digit ? POWER : INVALID; break;
      case INVALID: break;
    }
    counts[state]++;
  }
}

enum { NODES = 512, SIDE = 32, TEXT = 4096 };

u64 run_mix(u64 rounds, u8 *arena) {
  struct node *nodes = (struct node *)arena, *list = 0;
  int *a = (int *)(arena + 0x10000), *b = a + SIDE * SIDE, *c = b + SIDE * SIDE;
  u8 *text = arena + 0x20000;
  u64 random = 1;
  u32 sum = ~0U, counts[8] = {0};
  for (u32 i = 0; i < NODES; i++) {
    nodes[i] = (struct node){list, (u32)next_random(&random), i};
    list = &nodes[i];
  }
  for (u32 i = 0; i < SIDE * SIDE; i++) a[i] = (int)(next_random(&random) & 255), b[i] = (int)(next_random(&random) & 255);
  for (u32 i = 0; i < TEXT; i++) text[i] = (u8)"0123456789+-.e,,"[next_random(&random) & 15];
  for (u64 round = 0; round < rounds; round++) {
    list = sort_list(list, !(round & 1));
    for (u32 i = 0; i < SIDE; i++)
      for (u32 j = 0; j < SIDE; j++) {
        int product = 0;
        for (u32 k = 0; k < SIDE; k++) product += a[i * SIDE + k] * b[k * SIDE + j];
        c[i * SIDE + j] = product + (int)round;
      }
    scan(text, TEXT, counts);
    sum = crc(sum, (u8 *)c, 512);
    sum = crc(sum, (u8 *)counts, sizeof counts) + list->key;
  }
  return sum;
}
