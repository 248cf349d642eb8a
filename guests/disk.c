/*
 * Writes blocks of the disk in the board's first virtio slot, and checks that none is lost, stale, torn or wrong: each
 * carries its number, a counter of its writes and a checksum, and what the counter must be is kept in memory.
 */
#include "lib/guest.h"
#include "lib/virtio.h"

enum { BLOCK_DEVICE = 2, F_FLUSH = 1 << 9 };
enum { READ = 0, WRITE = 1, FLUSH = 4 };
enum { SECTOR = 512, BLOCK = 4096, WORDS = BLOCK / 8, BEAT_MS = 1000, WRITES_A_FLUSH = 64 };

static struct virtio_queue queue;
static struct { u32 type, reserved; u64 sector; } request;
static u8 status;
static u64 block[WORDS];
static u64 *counters, blocks, random_state = 0x9e3779b97f4a7c15;
static u64 writes, reads, flushes;

static u64 random_number(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

/* Waits for the answer; an error of the disk ends the machine. */
static void carry_out(u32 type, u64 number, u64 bytes, u32 flags) {
  struct virtio_part parts[3] = {{&request, sizeof request, 0}, {block, (u32)bytes, flags}, {&status, 1, VIRTIO_WRITABLE}};
  request.type = type;
  request.sector = number * (BLOCK / SECTOR);
  if (bytes == 0) parts[1] = parts[2];
  virtio_send_parts(&queue, 0, parts, bytes == 0 ? 2 : 3);
  while (!virtio_returned(&queue)) ;
  if (status == 0) return;
  print("DISK ERROR block=%u kind=refused type=%u status=%u time_ms=%u\n", number, (u64)type, (u64)status, now_ms());
  finish(BAD_PAGE);
}

static u64 checksum(void) {
  u64 sum = 0;
  for (u64 i = 1; i < WORDS; i++) sum = (sum << 1 | sum >> 63) ^ block[i];
  return sum;
}

static void bad(u64 number, const char *kind, u64 expected, u64 found) {
  print("DISK ERROR block=%u kind=%s expected=%u found=%u time_ms=%u\n", number, kind, expected, found, now_ms());
  finish(BAD_PAGE);
}

/* Reads a block, and gives its counter: 0 for one that was never written. */
static u64 read_block(u64 number) {
  carry_out(READ, number, BLOCK, VIRTIO_WRITABLE);
  reads++;
  if (block[0] == 0 && block[1] == 0 && block[2] == 0) return 0;
  if (block[0] != checksum()) bad(number, "torn", checksum(), block[0]);
  if (block[1] != number) bad(number, "wrong", number, block[1]);
  return block[2];
}

static void check(u64 number) {
  u64 found = read_block(number);
  if (found != counters[number]) bad(number, found < counters[number] ? "stale" : "wrong", counters[number], found);
}

static void write_block(u64 number) {
  for (u64 i = 3; i < WORDS; i++) block[i] = i % 2 ? random_number() : number;
  block[1] = number;
  block[2] = ++counters[number];
  block[0] = checksum();
  carry_out(WRITE, number, BLOCK, 0);
  if (++writes % WRITES_A_FLUSH != 0) return;
  carry_out(FLUSH, 0, 0, 0);
  flushes++;
}

static void need(const char *name, u64 *value, u64 lowest, u64 highest) {
  if (argument(name, value, 0) >= 0 && *value >= lowest && *value <= highest) return;
  print("disk: %s= takes a number from %u to %u\n", name, lowest, highest);
  finish(BAD_ARGUMENT);
}

void main(u64 hart, const void *tree) {
  extern u8 image_end[];
  static const char *const names[] = {"region", "rate", 0};
  u64 region_mib = 4, rate = 100;
  (void)hart;
  read_device_tree(tree);
  allow_arguments("disk", names);
  if (!virtio_start(BLOCK_DEVICE, F_FLUSH, &queue, 1)) {
    print("disk: the first virtio slot has no disk\n");
    finish(BAD_ARGUMENT);
  }
  u64 disk_mib = (virtio_read(VIRTIO_CONFIG) | (u64)virtio_read(VIRTIO_CONFIG + 4) << 32) / (MIB / SECTOR);
  need("region", &region_mib, 1, disk_mib < 1024 ? disk_mib : 1024);
  need("rate", &rate, 1, 100000);
  blocks = region_mib * MIB / BLOCK;
  counters = (u64 *)(((u64)image_end + 7) / 8 * 8);
  for (u64 i = 0; i < blocks; i++) counters[i] = read_block(i);
  print("disk disk_mib=%u region_mib=%u rate=%u\n", disk_mib, region_mib, rate);

  u64 sequence = 0, next_ms = now_ms(), next_beat_ms = next_ms + BEAT_MS;
  for (;;) {
    for (u64 i = 0; i < (rate + 99) / 100; i++) {
      u64 number = random_number() % blocks;
      check(number);
      write_block(number);
    }
    if (now_ms() >= next_beat_ms) {
      print("disk seq=%u time_ms=%u writes=%u reads=%u flushes=%u\n", ++sequence, now_ms(), writes, reads, flushes);
      next_beat_ms = now_ms() + BEAT_MS;
    }
    next_ms += rate < 100 ? 1000 / rate : 10;
    if (next_ms < now_ms()) next_ms = now_ms();
    else sleep_until_ms(next_ms);
  }
}
