/*
 * Drives the memory balloon in the board's first virtio slot: has `region=` MiB of pages that carry their address, gives
 * as many of them up as the host asks for, takes them back, tells statistics, and checks after every change that the
 * pages it has kept are as they were.
 */
#include "lib/guest.h"
#include "lib/virtio.h"

enum { BALLOON = 5, F_STATS = 1 << 1, F_REPORTING = 1 << 5 };
enum { INFLATE, DEFLATE, STATS, REPORTING, QUEUES };
enum { TARGET = VIRTIO_CONFIG, ACTUAL = VIRTIO_CONFIG + 4 };
enum { FREE_MEMORY = 4, TOTAL_MEMORY = 5 };
enum { BATCH = 256, POLL_MS = 10 };

extern u8 image_end[];
static struct virtio_queue queues[QUEUES];
static u32 numbers[BATCH];
static struct { unsigned short tag; u64 value; } __attribute__((packed)) stats[2];
static u8 *region;
static u64 pages, given; /* of the region; the last `given` of them are in the balloon */

static u8 *page_at(u64 index) { return region + index * PAGE_SIZE; }

static void mark(u64 from, u64 to) {
  for (u64 i = from; i < to; i++) *(u64 *)page_at(i) = *(u64 *)(page_at(i) + PAGE_SIZE - 8) = (u64)page_at(i);
}

static void check(void) {
  for (u64 i = 0; i < pages - given; i++) {
    u64 first = *(u64 *)page_at(i), last = *(u64 *)(page_at(i) + PAGE_SIZE - 8);
    if (first == (u64)page_at(i) && last == first) continue;
    print("BALLOON ERROR page=%u first=%x last=%x\n", i, first, last);
    finish(BAD_PAGE);
  }
}

static void wait_for(u32 queue) {
  while (!virtio_returned(&queues[queue])) ;
}

/* Sends the numbers of `count` pages from page `from` of the region on. */
static void send(u32 queue, u64 from, u64 count) {
  for (u64 i = 0; i < count; i++) numbers[i] = (u32)((u64)page_at(from + i) / PAGE_SIZE);
  virtio_send(queues, queue, numbers, (u32)(count * sizeof numbers[0]), 0);
  wait_for(queue);
}

static void tell_stats(void) {
  stats[0].tag = FREE_MEMORY;
  stats[0].value = (pages - given) * PAGE_SIZE;
  stats[1].tag = TOTAL_MEMORY;
  stats[1].value = facts.ram_bytes;
  virtio_send(queues, STATS, stats, sizeof stats, 0);
}

/* One step towards what the host asks for; 1 if there is more to do. */
static int step(void) {
  u64 target = virtio_read(TARGET);
  if (target > pages) target = pages;
  if (target == given) return 0;
  u64 missing = target > given ? target - given : given - target;
  u64 count = missing < BATCH ? missing : BATCH;
  if (target > given) {
    send(INFLATE, pages - given - count, count);
    given += count;
  } else {
    send(DEFLATE, pages - given, count);
    mark(pages - given, pages - given + count);
    given -= count;
  }
  virtio_write(ACTUAL, (u32)given);
  return 1;
}

void main(u64 hart, const void *tree) {
  u64 region_mib = 16, report = 0;
  static const char *const names[] = {"region", "report", 0};
  (void)hart;
  read_device_tree(tree);
  allow_arguments("balloon", names);
  region = (u8 *)(((u64)image_end + 2 * MIB - 1) / (2 * MIB) * (2 * MIB));
  u64 most_mib = (facts.ram_start + facts.ram_bytes - (u64)region) / MIB;
  if (argument("region", &region_mib, 0) < 0 || region_mib < 1 || region_mib + 4 > most_mib ||
      argument("report", &report, 0) < 0 || report > region_mib) {
    print("balloon: region= takes MiB that fit into RAM, report= no more than that\n");
    finish(BAD_ARGUMENT);
  }
  pages = region_mib * MIB / PAGE_SIZE;
  mark(0, pages);
  if (!virtio_start(BALLOON, F_STATS | (report ? F_REPORTING : 0), queues, report ? QUEUES : REPORTING)) {
    print("balloon: the first virtio slot has no balloon that does this\n");
    finish(BAD_ARGUMENT);
  }
  print("balloon region_mib=%u\n", region_mib);
  tell_stats();
  if (report) {
    virtio_send(queues, REPORTING, region, (u32)(report * MIB), VIRTIO_WRITABLE);
    wait_for(REPORTING);
    mark(0, report * MIB / PAGE_SIZE);
    print("balloon reported_mib=%u\n", report);
  }
  for (;;) {
    if (virtio_returned(&queues[STATS])) tell_stats();
    u64 before = given;
    while (step()) ;
    if (given != before) {
      check();
      print("balloon pages=%u\n", given);
    }
    sleep_until_ms(now_ms() + POLL_MS);
  }
}
