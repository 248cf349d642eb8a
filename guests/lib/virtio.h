/* A driver's half of virtio 1.2 over mmio, as little as a test needs: queues of eight, one buffer a request, polled. */
#ifndef VIRTIO_H
#define VIRTIO_H
#include "guest.h"

enum { VIRTIO_QUEUE = 8, VIRTIO_NEXT = 1, VIRTIO_WRITABLE = 2 };
enum { VIRTIO_CONFIG = 0x100 };

struct virtio_queue {
  struct { u64 address; u32 size; unsigned short flags, next; } descriptors[VIRTIO_QUEUE];
  struct { unsigned short flags, index, ring[VIRTIO_QUEUE], event; } available;
  struct { unsigned short flags, index; struct { u32 head, written; } ring[VIRTIO_QUEUE]; unsigned short event; } used
      __attribute__((aligned(4)));
  unsigned short seen;
} __attribute__((aligned(16)));

/* The device of the board's first slot with these features, its queues set up and running; 0 if it is another one. */
int virtio_start(u32 device, u64 features, struct virtio_queue *queues, u32 count);
u32 virtio_read(u32 offset);
void virtio_write(u32 offset, u32 value);
void virtio_send(struct virtio_queue *queues, u32 queue, const void *buffer, u32 size, u32 flags);
/* One request of several buffers, on a queue where nothing else is under way; `flags` are those of each. */
struct virtio_part { const void *buffer; u32 size, flags; };
void virtio_send_parts(struct virtio_queue *queues, u32 queue, const struct virtio_part *parts, u32 count);
/* 1 if a request that was sent has come back since it last was 1. */
int virtio_returned(struct virtio_queue *queue);

#endif
