/*
 * Writes memory at a given rate and checks, all the time, that no page is lost, stale, torn or wrong. Parameters come
 * from bootargs and are described in README.md.
 *
 * A page is 512 words of 64 bits: [0] its number, [1] how often it was written, [2] and [3] checksum, [4..] content.
 * What must be in [1] is also kept outside the region, so that a page that went back in time is found. The checksum is
 * Fletcher's (IEEE Trans. Comm. 30, 1982) over 64-bit words: a = sum of words, b = sum of the running a; a changed word
 * changes both by what can be computed without reading the others.
 */
#include "lib/guest.h"

enum { NUMBER, COUNTER, SUM_A, SUM_B, CONTENT, WORDS = 512, CONTENT_WORDS = WORDS - CONTENT };
enum { TICK_MS = 50, BACKLOG_MS = 1000, SWEEP_MS = 10000 };

static u64 region_mib = 16, rate_mib = 1, change_percent = 25, compress_percent = 50, cpu_percent = 0, used_harts = 0,
           beat_ms = 1000;

/* One for each hart that works; only that hart writes it, but for error checks in between. */
static struct worker {
  u64 first_page, pages;
  u64 next_write, next_check; /* relative to first_page */
  u64 written, checked;
  u64 begun_ms;
  u8 pad[64]; /* a cache line, and a dirty line, of its own */
} workers[MAX_HARTS];

static u64 *region;   /* pages of all harts */
static u64 *counters; /* what [COUNTER] of each page must be */
static u64 page_count;

static u64 *page_at(u64 page) { return region + page * WORDS; }

/* A word that depends on all three arguments (multiplication by odd constants, xor-shift). */
static u64 noise(u64 page, u64 counter, u64 word) {
  u64 x = (page << 40) ^ (counter << 12) ^ word;
  x *= 0x9e3779b97f4a7c15;
  x ^= x >> 29;
  x *= 0xbf58476d1ce4e5b9;
  return x ^ x >> 32;
}

static void checksum(const u64 *page, u64 *sum_a, u64 *sum_b) {
  u64 a = page[NUMBER] + page[COUNTER] * 3, b = 0;
  for (const u64 *word = page + CONTENT; word < page + WORDS; word += 4) {
    a += word[0], b += a;
    a += word[1], b += a;
    a += word[2], b += a;
    a += word[3], b += a;
  }
  *sum_a = a;
  *sum_b = b;
}

static void fill_page(u64 number) {
  u64 *page = page_at(number);
  u64 constant_words = CONTENT_WORDS * compress_percent / 100;
  page[NUMBER] = number;
  page[COUNTER] = 1;
  for (u64 i = 0; i < CONTENT_WORDS; i++)
    page[CONTENT + i] = i < constant_words ? 0x1010101010101010 : noise(number, 1, i);
  checksum(page, &page[SUM_A], &page[SUM_B]);
  counters[number] = 1;
}

static void fail(const char *kind, u64 number, u64 expected, u64 found) {
  print("PAGER ERROR hart=%u page=%u kind=%s expected=%x found=%x time_ms=%u\n", this_hart(), number, kind, expected,
        found, now_ms());
  finish(BAD_PAGE);
}

static void check_page(u64 number) {
  const u64 *page = page_at(number);
  u64 a, b;
  checksum(page, &a, &b);
  if (page[NUMBER] == number && page[COUNTER] == counters[number] && page[SUM_A] == a && page[SUM_B] == b) return;
  if (!page[NUMBER] && !page[COUNTER] && !page[SUM_A]) fail("lost", number, counters[number], 0);
  if (page[NUMBER] != number) fail("wrong", number, number, page[NUMBER]);
  if (page[SUM_A] != a || page[SUM_B] != b) fail("torn", number, a, page[SUM_A]);
  fail("stale", number, counters[number], page[COUNTER]);
}

/* Changes `change` percent of the page's words that are not constant, at a place that moves on with each write. */
static void write_page(u64 number) {
  u64 *page = page_at(number);
  u64 constant_words = CONTENT_WORDS * compress_percent / 100;
  u64 variable_words = CONTENT_WORDS - constant_words;
  u64 changed = variable_words * change_percent / 100;
  u64 counter = page[COUNTER] + 1;
  u64 a = page[SUM_A] + 3, b = page[SUM_B] + 3 * CONTENT_WORDS;
  u64 at = variable_words ? counter * changed % variable_words : 0;
  for (u64 i = 0; i < changed; i++, at++) {
    if (at == variable_words) at = 0;
    u64 word = constant_words + at;
    u64 value = noise(number, counter, word);
    u64 difference = value - page[CONTENT + word];
    page[CONTENT + word] = value;
    a += difference;
    b += difference * (CONTENT_WORDS - word);
  }
  page[COUNTER] = counter;
  page[SUM_A] = a;
  page[SUM_B] = b;
  counters[number] = counter;
}

static void check_next(struct worker *worker) {
  check_page(worker->first_page + worker->next_check);
  if (++worker->next_check == worker->pages) worker->next_check = 0;
  worker->checked++;
}

static void write_next(struct worker *worker) {
  u64 number = worker->first_page + worker->next_write;
  check_page(number);
  write_page(number);
  if (++worker->next_write == worker->pages) worker->next_write = 0;
  worker->written++;
  worker->checked++;
}

static void heartbeat(u64 sequence) {
  u64 written = 0, checked = 0;
  for (u64 i = 0; i < used_harts; i++) {
    written += workers[i].written;
    checked += workers[i].checked;
  }
  print("pager seq=%u time_ms=%u written_mib=%u checked_pages=%u\n", sequence, now_ms(),
        written * PAGE_SIZE / MIB, checked);
}

/* What every hart does for ever; the first one also prints the heartbeat. */
static void work(u64 index) {
  struct worker *worker = &workers[index];
  u64 checked_by_sweep = 0, sequence = 0;
  u64 pages_per_second = rate_mib == ~0UL ? ~0UL : rate_mib * (MIB / PAGE_SIZE) / used_harts;
  worker->begun_ms = now_ms();
  u64 next_beat_ms = worker->begun_ms + beat_ms;
  for (u64 tick_ms = worker->begun_ms;; tick_ms += TICK_MS) {
    u64 begun = now_ms(), burn_until_us = now_us() + TICK_MS * 10 * cpu_percent;
    if (begun > tick_ms + BACKLOG_MS) tick_ms = begun; /* too slow for the rate: no backlog */
    u64 end = tick_ms + TICK_MS;
    if (pages_per_second == ~0UL) {
      while (now_ms() < end) for (int i = 0; i < 16; i++) write_next(worker);
    } else {
      u64 elapsed = tick_ms - worker->begun_ms + TICK_MS;
      u64 due = pages_per_second * TICK_MS / 1000 + (elapsed % 1000 < TICK_MS ? pages_per_second % (1000 / TICK_MS) : 0);
      for (u64 i = 0; i < due && now_ms() < end + BACKLOG_MS; i++) write_next(worker);
      u64 sweep_due = worker->pages * TICK_MS / SWEEP_MS + 1;
      for (checked_by_sweep = 0; checked_by_sweep < sweep_due; checked_by_sweep++) check_next(worker);
      while (now_us() < burn_until_us) {
      }
    }
    if (index == 0 && now_ms() >= next_beat_ms) {
      heartbeat(++sequence);
      next_beat_ms += beat_ms;
      if (now_ms() > next_beat_ms + beat_ms) next_beat_ms = now_ms() + beat_ms;
    }
    sleep_until_ms(end);
  }
}

/* Damages one page, or leads into a fault, to show that it is found. */
static void damage(const char *kind) {
  u64 number = page_count / 2;
  u64 *page = page_at(number);
  static u64 before[WORDS];
  memcpy(before, page, PAGE_SIZE);
  write_page(number);
  if (equals(kind, "lost")) memset(page, 0, PAGE_SIZE);
  else if (equals(kind, "stale")) memcpy(page, before, PAGE_SIZE);
  else if (equals(kind, "torn")) page[WORDS - 1] ^= 1UL << 40;
  else if (equals(kind, "wrong")) memcpy(page, page_at(number - 1), PAGE_SIZE);
  else if (equals(kind, "trap")) __asm__ volatile("unimp");
  else {
    print("pager: selftest= takes lost, stale, torn, wrong or trap, not %s\n", kind);
    finish(BAD_ARGUMENT);
  }
}

static void need(const char *name, u64 *value, u64 lowest, u64 highest, const char *max_word) {
  int found = argument(name, value, max_word);
  if (found < 0 || (*value != ~0UL && (*value < lowest || *value > highest))) {
    print("pager: %s= takes a number from %u to %u%s%s\n", name, lowest, highest, max_word ? " or " : "",
          max_word ? max_word : "");
    finish(BAD_ARGUMENT);
  }
}

void main(u64 hart, const void *tree) {
  extern u8 image_end[];
  static const char *const names[] = {"region", "rate", "change", "compress", "harts", "cpu", "beat", "selftest", 0};
  char selftest[16];
  read_device_tree(tree);
  allow_arguments("pager", names);
  u64 most_harts = facts.harts < MAX_HARTS ? facts.harts : MAX_HARTS;
  used_harts = most_harts;
  need("region", &region_mib, 1, 4096, 0);
  need("rate", &rate_mib, 0, 100000, "max");
  need("change", &change_percent, 0, 100, 0);
  need("compress", &compress_percent, 0, 100, 0);
  need("cpu", &cpu_percent, 0, 100, 0);
  need("beat", &beat_ms, 10, 1000000, 0);
  need("harts", &used_harts, 1, most_harts, 0);

  region = (u64 *)image_end;
  page_count = region_mib * MIB / PAGE_SIZE / used_harts * used_harts;
  counters = region + page_count * WORDS;
  u64 limit = facts.ram_start + facts.ram_bytes;
  if (facts.tree_start > (u64)image_end && facts.tree_start < limit) limit = facts.tree_start;
  if ((u64)(counters + page_count) > limit) {
    print("pager: region=%u needs more RAM than there is; at most region=%u\n", region_mib,
          (limit - (u64)image_end) * 511 / 512 / MIB);
    finish(BAD_ARGUMENT);
  }

  for (u64 i = 0; i < used_harts; i++) {
    workers[i].pages = page_count / used_harts;
    workers[i].first_page = i * workers[i].pages;
  }
  for (u64 page = 0; page < page_count; page++) fill_page(page);
  if (argument_word("selftest", selftest, sizeof selftest)) damage(selftest);
  print("pager region=%u rate=", region_mib);
  print(rate_mib == ~0UL ? "max" : "%u", rate_mib);
  print(" change=%u compress=%u cpu=%u harts=%u pages=%u\n", change_percent, compress_percent, cpu_percent, used_harts,
        page_count);

  /* Firmware may have chosen any hart to begin on; the others take the remaining parts in order. */
  for (u64 other = 0, index = 1; index < used_harts; other++) {
    if (other == hart) continue;
    if (!start_hart(other, work, index++)) {
      print("pager: hart %u did not start\n", other);
      finish(MACHINE_FAULT);
    }
  }
  work(0);
}
