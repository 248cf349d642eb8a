#include "virtio.h"

enum {
  MAGIC = 0x00, VERSION = 0x04, DEVICE = 0x08, FEATURES = 0x20, FEATURES_SELECT = 0x24, QUEUE_SELECT = 0x30,
  QUEUE_SIZE = 0x38, QUEUE_READY = 0x44, NOTIFY = 0x50, STATUS = 0x70, DESCRIPTORS = 0x80, DRIVER = 0x90, USED = 0xa0,
};
enum { ACKNOWLEDGED = 1, DRIVER_FOUND = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
static volatile u8 *const slot = (volatile u8 *)0x10001000;

u32 virtio_read(u32 offset) { return *(volatile u32 *)(slot + offset); }
void virtio_write(u32 offset, u32 value) { *(volatile u32 *)(slot + offset) = value; }

static void write_address(u32 offset, const volatile void *at) {
  virtio_write(offset, (u32)(u64)at);
  virtio_write(offset + 4, (u64)at >> 32);
}

int virtio_start(u32 device, u64 features, struct virtio_queue *queues, u32 count) {
  if (virtio_read(MAGIC) != 0x74726976 || virtio_read(VERSION) != 2 || virtio_read(DEVICE) != device) return 0;
  virtio_write(STATUS, 0);
  virtio_write(STATUS, ACKNOWLEDGED | DRIVER_FOUND);
  for (u32 half = 0; half < 2; half++) {
    virtio_write(FEATURES_SELECT, half);
    virtio_write(FEATURES, (u32)((features | 1UL << 32) >> 32 * half));
  }
  virtio_write(STATUS, ACKNOWLEDGED | DRIVER_FOUND | FEATURES_OK);
  if (!(virtio_read(STATUS) & FEATURES_OK)) return 0;
  for (u32 i = 0; i < count; i++) {
    virtio_write(QUEUE_SELECT, i);
    virtio_write(QUEUE_SIZE, VIRTIO_QUEUE);
    write_address(DESCRIPTORS, queues[i].descriptors);
    write_address(DRIVER, &queues[i].available);
    write_address(USED, &queues[i].used);
    virtio_write(QUEUE_READY, 1);
  }
  virtio_write(STATUS, ACKNOWLEDGED | DRIVER_FOUND | FEATURES_OK | DRIVER_OK);
  return 1;
}

void virtio_send(struct virtio_queue *queues, u32 queue, const void *buffer, u32 size, u32 flags) {
  struct virtio_queue *to = &queues[queue];
  u32 at = to->available.index % VIRTIO_QUEUE;
  to->descriptors[at].address = (u64)buffer;
  to->descriptors[at].size = size;
  to->descriptors[at].flags = (unsigned short)flags;
  to->available.ring[at] = (unsigned short)at;
  __atomic_store_n(&to->available.index, (unsigned short)(to->available.index + 1), __ATOMIC_RELEASE);
  __asm__ volatile("fence" ::: "memory");
  virtio_write(NOTIFY, queue);
}

void virtio_send_parts(struct virtio_queue *queues, u32 queue, const struct virtio_part *parts, u32 count) {
  struct virtio_queue *to = &queues[queue];
  for (u32 i = 0; i < count; i++) {
    to->descriptors[i].address = (u64)parts[i].buffer;
    to->descriptors[i].size = parts[i].size;
    to->descriptors[i].flags = (unsigned short)(parts[i].flags | (i + 1 < count ? VIRTIO_NEXT : 0));
    to->descriptors[i].next = (unsigned short)(i + 1);
  }
  to->available.ring[to->available.index % VIRTIO_QUEUE] = 0;
  __atomic_store_n(&to->available.index, (unsigned short)(to->available.index + 1), __ATOMIC_RELEASE);
  __asm__ volatile("fence" ::: "memory");
  virtio_write(NOTIFY, queue);
}

int virtio_returned(struct virtio_queue *queue) {
  if (__atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE) == queue->seen) return 0;
  queue->seen++;
  return 1;
}
