/*
 * Driver of a virtio network card (virtio 1.2: sections 2.7, 4.2, 5.1) behind the PLIC, without taking interrupts; and of
 * a second one of the same address, its primary, which is let go when its link goes down.
 */
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
enum { F_MAC = 1 << 5, F_STATUS = 1 << 16, F_CTRL_VQ = 1 << 17, F_GUEST_ANNOUNCE = 1 << 21, F_VERSION_1 = 1 /* bit 32 */, F_STANDBY = 1 << 30 /* bit 62 */ };
enum { CONFIG_STATUS = CONFIG + 6, S_LINK_UP = 1, S_ANNOUNCE = 2, CONFIG_CHANGED = 2 };
enum { NEXT = 1, WRITE = 2 };
enum { HEADER = 12, QUEUES = 3, RECEIVE = 0, TRANSMIT = 1, CONTROL = 2, ENTRIES = 32 };

struct queue {
  struct { u64 address; u32 length; u16 flags, next; } descriptors[ENTRIES];
  struct { u16 flags, index, ring[ENTRIES], used_event; } available;
  struct { u16 flags, index; struct { u32 id, length; } ring[ENTRIES]; u16 avail_event; } used;
  u16 seen;
} __attribute__((aligned(64)));

/* The card that is always there, and the primary of the same address that may come and go (virtio 1.2: 5.1.3, STANDBY). */
static struct card {
  struct queue queues[QUEUES];
  u8 received[ENTRIES][HEADER + MAX_FRAME] __attribute__((aligned(8)));
  u8 to_send[ENTRIES][HEADER + MAX_FRAME] __attribute__((aligned(8)));
  u8 *at; /* 0: there is none */
  u32 features[2];
  int lent; /* the buffer that net_receive has given out; -1: none */
} own, primary;

u8 net_mac[6];
static int keeps_primary;

static u32 get(struct card *card, u32 offset) { return *(volatile u32 *)(card->at + offset); }
static void set(struct card *card, u32 offset, u32 value) { *(volatile u32 *)(card->at + offset) = value; }

static void set_address(struct card *card, u32 offset, const void *at) {
  set(card, offset, (u32)(u64)at);
  set(card, offset + 4, (u32)((u64)at >> 32));
}

static void make_available(struct queue *queue, u16 head) {
  queue->available.ring[queue->available.index % ENTRIES] = head;
  __atomic_store_n(&queue->available.index, (u16)(queue->available.index + 1), __ATOMIC_RELEASE);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void start_queue(struct card *card, u32 index) {
  struct queue *queue = &card->queues[index];
  set(card, QUEUE_SEL, index);
  set(card, QUEUE_NUM, ENTRIES);
  set_address(card, QUEUE_DESC, queue->descriptors);
  set_address(card, QUEUE_DRIVER, &queue->available);
  set_address(card, QUEUE_DEVICE, &queue->used);
  set(card, QUEUE_READY, 1);
}

static void choose_features(struct card *card, u32 half, u32 wanted) {
  set(card, DEVICE_FEATURES_SEL, half);
  card->features[half] = get(card, DEVICE_FEATURES) & wanted;
  set(card, DRIVER_FEATURES_SEL, half);
  set(card, DRIVER_FEATURES, card->features[half]);
}

/* Interrupts of the slots reach this hart's supervisor context as pending ones only: they end WFI. */
static void enable_interrupts(void) {
  u64 context = this_hart() * 2 + 1;
  for (u32 slot = 0; slot < SLOTS; slot++) {
    ((volatile u32 *)plic)[FIRST_INTERRUPT + slot] = 1;
    *(volatile u32 *)(plic + 0x2000 + context * 0x80) |= 1U << (FIRST_INTERRUPT + slot);
  }
  *(volatile u32 *)(plic + 0x200000 + context * 0x1000) = 0;
  __asm__ volatile("csrs sie, %0" ::"r"(1UL << 9));
}

static int is_card(u32 slot) {
  const volatile u32 *at = (const volatile u32 *)(first_slot + slot * SLOT_BYTES);
  return at[MAGIC / 4] == 0x74726976 && at[VERSION / 4] == 2 && at[DEVICE / 4] == NET_DEVICE;
}

static int start_card(struct card *card, u32 slot) {
  memset(card, 0, sizeof *card);
  card->at = first_slot + slot * SLOT_BYTES;
  card->lent = -1;
  set(card, STATUS, 0);
  set(card, STATUS, ACKNOWLEDGE);
  set(card, STATUS, ACKNOWLEDGE | DRIVER);
  choose_features(card, 0, F_MAC | F_STATUS | F_CTRL_VQ | F_GUEST_ANNOUNCE);
  choose_features(card, 1, F_VERSION_1 | F_STANDBY);
  set(card, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
  if (!(get(card, STATUS) & FEATURES_OK)) return 0;
  for (u32 index = 0; index < QUEUES; index++)
    if (index != CONTROL || card->features[0] & F_CTRL_VQ) start_queue(card, index);
  set(card, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
  for (u16 i = 0; i < ENTRIES; i++) {
    struct queue *queue = &card->queues[RECEIVE];
    queue->descriptors[i].address = (u64)card->received[i];
    queue->descriptors[i].length = sizeof card->received[i];
    queue->descriptors[i].flags = WRITE;
    make_available(queue, i);
  }
  card->queues[TRANSMIT].available.flags = 1; /* no interrupt when a frame has gone */
  set(card, QUEUE_NOTIFY, RECEIVE);
  return 1;
}

/* A slot has interrupted that is not the card's: a primary has come, or is to go. */
static void look_at_primary(u32 slot) {
  if (primary.at) {
    if (*(volatile u16 *)(primary.at + CONFIG_STATUS) & S_LINK_UP) return;
    if (keeps_primary) return;
    set(&primary, STATUS, 0);
    primary.at = 0;
  } else if (own.features[1] & F_STANDBY && is_card(slot)) {
    start_card(&primary, slot);
  }
}

static void acknowledge_interrupt(void) {
  volatile u32 *claim = (volatile u32 *)(plic + 0x200004 + (this_hart() * 2 + 1) * 0x1000);
  for (u32 source; (source = *claim) != 0; *claim = source) {
    volatile u32 *at = (volatile u32 *)(first_slot + (source - FIRST_INTERRUPT) * SLOT_BYTES);
    u32 reasons = at[INTERRUPT_STATUS / 4];
    at[INTERRUPT_ACK / 4] = reasons;
    if (at != (volatile u32 *)own.at && reasons & CONFIG_CHANGED) look_at_primary(source - FIRST_INTERRUPT);
  }
}

int net_start(void) {
  u32 slot = 0;
  while (slot < SLOTS && !is_card(slot)) slot++;
  if (slot == SLOTS || !start_card(&own, slot)) return 0;
  for (u32 i = 0; i < 6; i++) net_mac[i] = own.at[CONFIG + i];
  enable_interrupts();
  return 1;
}

int net_has_primary(void) { return primary.at != 0; }
void net_keep_primary(void) { keeps_primary = 1; }

static int has_come(struct card *card) {
  struct queue *queue = &card->queues[RECEIVE];
  return card->at && __atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE) != queue->seen;
}

void net_wait_until_ms(u64 time_ms) {
  acknowledge_interrupt();
  if (!has_come(&own) && !has_come(&primary)) wait_until_ms(time_ms);
  acknowledge_interrupt();
}

static u8 *receive_from(struct card *card, u32 *length) {
  struct queue *queue = &card->queues[RECEIVE];
  if (card->at && card->lent >= 0) {
    make_available(queue, (u16)card->lent);
    set(card, QUEUE_NOTIFY, RECEIVE);
    card->lent = -1;
  }
  if (!has_come(card)) return 0;
  u32 at = queue->seen++ % ENTRIES;
  card->lent = (int)queue->used.ring[at].id;
  *length = queue->used.ring[at].length - HEADER;
  return card->received[card->lent] + HEADER;
}

u8 *net_receive(u32 *length) {
  u8 *frame = receive_from(&primary, length);
  return frame ? frame : receive_from(&own, length);
}

/* As many frames may be under way as there are entries; then the oldest is waited for. */
void net_send(const u8 *frame, u32 length) {
  struct card *card = primary.at ? &primary : &own;
  struct queue *queue = &card->queues[TRANSMIT];
  while ((u16)(queue->available.index - __atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE)) == ENTRIES) {
  }
  u16 head = queue->available.index % ENTRIES; /* given back in order, as they all are */
  memset(card->to_send[head], 0, HEADER);
  memcpy(card->to_send[head] + HEADER, frame, length);
  queue->descriptors[head].address = (u64)card->to_send[head];
  queue->descriptors[head].length = HEADER + length;
  queue->descriptors[head].flags = 0;
  make_available(queue, head);
  set(card, QUEUE_NOTIFY, TRANSMIT);
}

int net_must_announce(void) {
  static u8 request[2] = {3, 0}, answer; /* VIRTIO_NET_CTRL_ANNOUNCE, _ACK */
  struct queue *queue = &own.queues[CONTROL];
  if (!(own.features[0] & F_GUEST_ANNOUNCE) || !(*(volatile u16 *)(own.at + CONFIG_STATUS) & S_ANNOUNCE)) return 0;
  queue->descriptors[0].address = (u64)request;
  queue->descriptors[0].length = sizeof request;
  queue->descriptors[0].flags = NEXT;
  queue->descriptors[0].next = 1;
  queue->descriptors[1].address = (u64)&answer;
  queue->descriptors[1].length = sizeof answer;
  queue->descriptors[1].flags = WRITE;
  make_available(queue, 0);
  set(&own, QUEUE_NOTIFY, CONTROL);
  while (__atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE) != queue->available.index) {
  }
  return 1;
}
