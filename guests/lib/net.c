/* Driver of a virtio network card (virtio 1.2: sections 2.7, 4.2, 5.1) behind the PLIC, without taking interrupts. */
#include "net.h"

enum { SLOTS = 8, SLOT_BYTES = 0x1000, FIRST_INTERRUPT = 1 };
static u8 *const first_slot = (u8 *)0x10001000;
static u8 *const plic = (u8 *)0xc000000;

/* Registers. */
enum { MAGIC = 0x00, VERSION = 0x04, DEVICE = 0x08, DRIVER_FEATURES = 0x20, DRIVER_FEATURES_SEL = 0x24, DEVICE_FEATURES = 0x10,
       DEVICE_FEATURES_SEL = 0x14, QUEUE_SEL = 0x30, QUEUE_NUM = 0x38, QUEUE_READY = 0x44, QUEUE_NOTIFY = 0x50,
       INTERRUPT_STATUS = 0x60, INTERRUPT_ACK = 0x64, STATUS = 0x70, QUEUE_DESC = 0x80, QUEUE_DRIVER = 0x90, QUEUE_DEVICE = 0xa0,
       CONFIG = 0x100 };
enum { NET_DEVICE = 1, ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { F_MAC = 1 << 5, F_STATUS = 1 << 16, F_CTRL_VQ = 1 << 17, F_GUEST_ANNOUNCE = 1 << 21, F_VERSION_1 = 1 /* bit 32 */ };
enum { CONFIG_STATUS = CONFIG + 6, S_ANNOUNCE = 2 };
enum { NEXT = 1, WRITE = 2 };
enum { HEADER = 12, QUEUES = 3, RECEIVE = 0, TRANSMIT = 1, CONTROL = 2, ENTRIES = 32 };

static struct queue {
  struct { u64 address; u32 length; u16 flags, next; } descriptors[ENTRIES];
  struct { u16 flags, index, ring[ENTRIES], used_event; } available;
  struct { u16 flags, index; struct { u32 id, length; } ring[ENTRIES]; u16 avail_event; } used;
  u16 seen;
} __attribute__((aligned(64))) queues[QUEUES];

static u8 received[ENTRIES][HEADER + MAX_FRAME] __attribute__((aligned(8)));
static u8 to_send[ENTRIES][HEADER + MAX_FRAME] __attribute__((aligned(8)));
static u8 *card;
static u32 interrupt;
static u32 features;
static int lent = -1; /* the buffer that net_receive has given out */

u8 net_mac[6];

static u32 get(u32 offset) { return *(volatile u32 *)(card + offset); }
static void set(u32 offset, u32 value) { *(volatile u32 *)(card + offset) = value; }

static void set_address(u32 offset, const void *at) {
  set(offset, (u32)(u64)at);
  set(offset + 4, (u32)((u64)at >> 32));
}

static void make_available(u32 index, u16 head) {
  struct queue *queue = &queues[index];
  queue->available.ring[queue->available.index % ENTRIES] = head;
  __atomic_store_n(&queue->available.index, (u16)(queue->available.index + 1), __ATOMIC_RELEASE);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void start_queue(u32 index) {
  struct queue *queue = &queues[index];
  set(QUEUE_SEL, index);
  set(QUEUE_NUM, ENTRIES);
  set_address(QUEUE_DESC, queue->descriptors);
  set_address(QUEUE_DRIVER, &queue->available);
  set_address(QUEUE_DEVICE, &queue->used);
  set(QUEUE_READY, 1);
}

/* Interrupts of the card reach this hart's supervisor context as pending ones only: they end WFI. */
static void enable_interrupt(void) {
  u64 context = this_hart() * 2 + 1;
  ((volatile u32 *)plic)[interrupt] = 1;
  *(volatile u32 *)(plic + 0x2000 + context * 0x80) = 1U << interrupt;
  *(volatile u32 *)(plic + 0x200000 + context * 0x1000) = 0;
  __asm__ volatile("csrs sie, %0" ::"r"(1UL << 9));
}

static void acknowledge_interrupt(void) {
  volatile u32 *claim = (volatile u32 *)(plic + 0x200004 + (this_hart() * 2 + 1) * 0x1000);
  for (u32 source; (source = *claim) != 0; *claim = source) set(INTERRUPT_ACK, get(INTERRUPT_STATUS));
}

int net_start(void) {
  for (u32 slot = 0; slot < SLOTS; slot++) {
    card = first_slot + slot * SLOT_BYTES;
    interrupt = FIRST_INTERRUPT + slot;
    if (get(MAGIC) == 0x74726976 && get(VERSION) == 2 && get(DEVICE) == NET_DEVICE) break;
    card = 0;
  }
  if (!card) return 0;
  set(STATUS, 0);
  set(STATUS, ACKNOWLEDGE);
  set(STATUS, ACKNOWLEDGE | DRIVER);
  set(DEVICE_FEATURES_SEL, 0);
  features = get(DEVICE_FEATURES) & (F_MAC | F_STATUS | F_CTRL_VQ | F_GUEST_ANNOUNCE);
  set(DRIVER_FEATURES_SEL, 0);
  set(DRIVER_FEATURES, features);
  set(DRIVER_FEATURES_SEL, 1);
  set(DRIVER_FEATURES, F_VERSION_1);
  set(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
  if (!(get(STATUS) & FEATURES_OK)) return 0;
  for (u32 i = 0; i < 6; i++) net_mac[i] = card[CONFIG + i];
  for (u32 index = 0; index < QUEUES; index++)
    if (index != CONTROL || features & F_CTRL_VQ) start_queue(index);
  set(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
  for (u16 i = 0; i < ENTRIES; i++) {
    queues[RECEIVE].descriptors[i].address = (u64)received[i];
    queues[RECEIVE].descriptors[i].length = sizeof received[i];
    queues[RECEIVE].descriptors[i].flags = WRITE;
    make_available(RECEIVE, i);
  }
  queues[TRANSMIT].available.flags = 1; /* no interrupt when a frame has gone */
  set(QUEUE_NOTIFY, RECEIVE);
  enable_interrupt();
  return 1;
}

void net_wait_until_ms(u64 time_ms) {
  acknowledge_interrupt();
  struct queue *queue = &queues[RECEIVE];
  if (__atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE) == queue->seen) wait_until_ms(time_ms);
  acknowledge_interrupt();
}

u8 *net_receive(u32 *length) {
  struct queue *queue = &queues[RECEIVE];
  if (lent >= 0) {
    make_available(RECEIVE, (u16)lent);
    set(QUEUE_NOTIFY, RECEIVE);
    lent = -1;
  }
  if (__atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE) == queue->seen) return 0;
  u32 at = queue->seen++ % ENTRIES;
  lent = (int)queue->used.ring[at].id;
  *length = queue->used.ring[at].length - HEADER;
  return received[lent] + HEADER;
}

/* As many frames may be under way as there are entries; then the oldest is waited for. */
void net_send(const u8 *frame, u32 length) {
  struct queue *queue = &queues[TRANSMIT];
  while ((u16)(queue->available.index - __atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE)) == ENTRIES) {
  }
  u16 head = queue->available.index % ENTRIES; /* given back in order, as they all are */
  memset(to_send[head], 0, HEADER);
  memcpy(to_send[head] + HEADER, frame, length);
  queue->descriptors[head].address = (u64)to_send[head];
  queue->descriptors[head].length = HEADER + length;
  queue->descriptors[head].flags = 0;
  make_available(TRANSMIT, head);
  set(QUEUE_NOTIFY, TRANSMIT);
}

int net_must_announce(void) {
  static u8 request[2] = {3, 0}, answer; /* VIRTIO_NET_CTRL_ANNOUNCE, _ACK */
  struct queue *queue = &queues[CONTROL];
  if (!(features & F_GUEST_ANNOUNCE) || !(*(volatile u16 *)(card + CONFIG_STATUS) & S_ANNOUNCE)) return 0;
  queue->descriptors[0].address = (u64)request;
  queue->descriptors[0].length = sizeof request;
  queue->descriptors[0].flags = NEXT;
  queue->descriptors[0].next = 1;
  queue->descriptors[1].address = (u64)&answer;
  queue->descriptors[1].length = sizeof answer;
  queue->descriptors[1].flags = WRITE;
  make_available(CONTROL, 0);
  set(QUEUE_NOTIFY, CONTROL);
  while (__atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE) != queue->available.index) {
  }
  return 1;
}
