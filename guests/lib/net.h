/* A network card: virtio-mmio version 2, found in the board's eight slots. Frames without offloads. */
#ifndef NET_H
#define NET_H
#include "guest.h"

typedef unsigned short u16;

enum { MAX_FRAME = 1514 };

extern u8 net_mac[6];

/* Finds the first card and starts it; 0 if there is none. */
int net_start(void);
/* Waits until something has come or `time_ms` has passed. */
void net_wait_until_ms(u64 time_ms);
/* A frame that has come, and its length; 0 if there is none. It may be changed, until the next call. */
u8 *net_receive(u32 *length);
void net_send(const u8 *frame, u32 length);
/* 1 while there is a primary, by which frames go then. */
int net_has_primary(void);
/* From now on it is not let go, as by a driver that does not answer. */
void net_keep_primary(void);
/* 1 if the machine has moved and wants this guest to announce itself; the card is told that it will. */
int net_must_announce(void);

#endif
