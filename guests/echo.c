/*
 * A host on an IPv4 network without an operating system: answers ARP, ping and UDP port 7 (echo, RFC 862). With peer=
 * it asks that host's port 7 as well, all the time, and tells how it is answered. Parameters are in README.md.
 */
#include "lib/net.h"

enum { ARP = 0x0806, IPV4 = 0x0800, ICMP = 1, UDP = 17, ECHO_PORT = 7, OWN_PORT = 4007 };
enum { ETHERNET = 14, IP_HEADER = 20, UDP_HEADER = 8, ARP_BYTES = 28, REQUEST = 1, REPLY = 2 };
enum { QUESTION_BYTES = 16, MAX_MS = 60000, ARP_MS = 250 };

static u8 own_ip[4], peer_ip[4], peer_mac[6];
static int has_peer, knows_peer;
static u64 interval_ms = 100, line_ms = 1000;

/* Questions to the peer: counted since the start, and the longest time between two answers since the last line. */
static u64 asked, answered, repeated, newest, last_answer_ms, longest_ms, announced;

static u16 big16(const u8 *at) { return (u16)(at[0] << 8 | at[1]); }
static void put16(u8 *at, u64 value) { at[0] = (u8)(value >> 8), at[1] = (u8)value; }
static u64 big64(const u8 *at) {
  u64 value = 0;
  for (int i = 0; i < 8; i++) value = value << 8 | at[i];
  return value;
}
static void put64(u8 *at, u64 value) {
  for (int i = 7; i >= 0; i--, value >>= 8) at[i] = (u8)value;
}

static int same(const u8 *a, const u8 *b, u32 length) {
  while (length && *a == *b) a++, b++, length--;
  return !length;
}

/* Internet checksum (RFC 1071) of `length` bytes. */
static u16 checksum(const u8 *at, u32 length) {
  u64 sum = 0;
  for (u32 i = 0; i + 1 < length; i += 2) sum += big16(at + i);
  if (length % 2) sum += (u64)at[length - 1] << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (u16)~sum;
}

static void send_arp(u16 operation, const u8 *to_mac, const u8 *to_ip) {
  static const u8 all[6] = {255, 255, 255, 255, 255, 255}, fixed[6] = {0, 1, IPV4 >> 8, 0, 6, 4};
  u8 frame[60];
  u8 *arp = frame + ETHERNET;
  memset(frame, 0, sizeof frame);
  memcpy(frame, to_mac ? to_mac : all, 6);
  memcpy(frame + 6, net_mac, 6);
  put16(frame + 12, ARP);
  memcpy(arp, fixed, 6);
  put16(arp + 6, operation);
  memcpy(arp + 8, net_mac, 6);
  memcpy(arp + 14, own_ip, 4);
  if (to_mac) memcpy(arp + 18, to_mac, 6);
  memcpy(arp + 24, to_ip, 4);
  net_send(frame, sizeof frame);
}

static void handle_arp(const u8 *arp, u32 length) {
  if (length < ARP_BYTES || big16(arp + 2) != IPV4) return;
  if (has_peer && same(arp + 14, peer_ip, 4)) {
    memcpy(peer_mac, arp + 8, 6);
    knows_peer = 1;
  }
  if (big16(arp + 6) == REQUEST && same(arp + 24, own_ip, 4)) send_arp(REPLY, arp + 8, arp + 14);
}

/* Turns an IPv4 frame around and sends it back; its content has been changed already. */
static void send_back(u8 *frame, u32 length) {
  u8 *ip = frame + ETHERNET;
  memcpy(frame, frame + 6, 6);
  memcpy(frame + 6, net_mac, 6);
  memcpy(ip + 16, ip + 12, 4);
  memcpy(ip + 12, own_ip, 4);
  ip[8] = 64;
  put16(ip + 10, 0);
  put16(ip + 10, checksum(ip, IP_HEADER));
  net_send(frame, length);
}

static void note_answer(const u8 *data) {
  u64 number = big64(data), now = now_ms();
  if (number <= newest) {
    repeated++;
    return;
  }
  newest = number;
  answered++;
  if (last_answer_ms && now - last_answer_ms > longest_ms) longest_ms = now - last_answer_ms;
  last_answer_ms = now;
}

static void handle_ipv4(u8 *frame, u32 length) {
  u8 *ip = frame + ETHERNET, *content = ip + IP_HEADER;
  u32 ip_bytes = big16(ip + 2);
  if (length < ETHERNET + IP_HEADER + UDP_HEADER || ip[0] != 0x45 || !same(ip + 16, own_ip, 4)) return;
  if (ip_bytes < IP_HEADER + UDP_HEADER || ip_bytes > length - ETHERNET || (big16(ip + 6) & 0x3fff)) return;
  u32 bytes = ip_bytes - IP_HEADER;
  if (ip[9] == ICMP && content[0] == 8) {
    content[0] = 0;
    put16(content + 2, 0);
    put16(content + 2, checksum(content, bytes));
    send_back(frame, ETHERNET + ip_bytes);
  } else if (ip[9] == UDP && big16(content + 2) == ECHO_PORT) {
    u16 from = big16(content);
    put16(content, ECHO_PORT);
    put16(content + 2, from);
    put16(content + 6, 0); /* no checksum, which UDP over IPv4 allows */
    send_back(frame, ETHERNET + ip_bytes);
  } else if (ip[9] == UDP && big16(content + 2) == OWN_PORT && bytes >= UDP_HEADER + QUESTION_BYTES) {
    note_answer(content + UDP_HEADER);
  }
}

static void ask_peer(void) {
  u8 frame[ETHERNET + IP_HEADER + UDP_HEADER + QUESTION_BYTES];
  u8 *ip = frame + ETHERNET, *udp = ip + IP_HEADER;
  memset(frame, 0, sizeof frame);
  memcpy(frame, peer_mac, 6);
  memcpy(frame + 6, net_mac, 6);
  put16(frame + 12, IPV4);
  ip[0] = 0x45;
  put16(ip + 2, sizeof frame - ETHERNET);
  ip[8] = 64;
  ip[9] = UDP;
  memcpy(ip + 12, own_ip, 4);
  memcpy(ip + 16, peer_ip, 4);
  put16(ip + 10, checksum(ip, IP_HEADER));
  put16(udp, OWN_PORT);
  put16(udp + 2, ECHO_PORT);
  put16(udp + 4, UDP_HEADER + QUESTION_BYTES);
  put64(udp + UDP_HEADER, ++asked);
  net_send(frame, sizeof frame);
}

static void handle_all(void) {
  u32 length;
  for (u8 *frame; (frame = net_receive(&length)) != 0;) {
    if (length < ETHERNET) continue;
    if (big16(frame + 12) == ARP) handle_arp(frame + ETHERNET, length - ETHERNET);
    if (big16(frame + 12) == IPV4) handle_ipv4(frame, length);
  }
  if (net_must_announce()) {
    send_arp(REQUEST, 0, own_ip); /* gratuitous: who has my own address */
    announced++;
  }
}

static void read_address(const char *name, u8 *address, int *given) {
  char word[24];
  if (!argument_word(name, word, sizeof word)) return;
  const char *at = word;
  for (u32 i = 0; i < 4; i++, at++) {
    u32 value = 0, digits = 0;
    for (; *at >= '0' && *at <= '9' && digits < 3; at++, digits++) value = value * 10 + (u32)(*at - '0');
    address[i] = (u8)value;
    if (!digits || value > 255 || *at != (i < 3 ? '.' : 0)) {
      print("echo: %s= takes an IPv4 address such as 10.0.0.1, not %s\n", name, word);
      finish(BAD_ARGUMENT);
    }
  }
  *given = 1;
}

static void need_ms(const char *name, u64 *value) {
  if (argument(name, value, 0) >= 0 && *value && *value <= MAX_MS) return;
  print("echo: %s= takes a number from 1 to %u\n", name, (u64)MAX_MS);
  finish(BAD_ARGUMENT);
}

void main(u64 hart, const void *tree) {
  static const char *const names[] = {"ip", "peer", "interval_ms", "line_ms", "keep_primary", 0};
  int has_ip = 0;
  (void)hart;
  read_device_tree(tree);
  allow_arguments("echo", names);
  read_address("ip", own_ip, &has_ip);
  read_address("peer", peer_ip, &has_peer);
  if (!has_ip) {
    print("echo: ip= is missing: give it an IPv4 address such as ip=10.0.0.1\n");
    finish(BAD_ARGUMENT);
  }
  need_ms("interval_ms", &interval_ms);
  need_ms("line_ms", &line_ms);
  u64 keeps = 0;
  if (argument("keep_primary", &keeps, 0) > 0 && keeps) net_keep_primary();
  if (!net_start()) {
    print("echo: there is no virtio network card of version 2 here\n");
    finish(MACHINE_FAULT);
  }
  print("echo ip=%u.%u.%u.%u ready\n", (u64)own_ip[0], (u64)own_ip[1], (u64)own_ip[2], (u64)own_ip[3]);

  for (u64 tell_ms = now_ms() + line_ms, ask_ms = now_ms();;) {
    u64 now = now_ms();
    if (has_peer && now >= ask_ms) {
      if (knows_peer) ask_peer();
      else send_arp(REQUEST, 0, peer_ip);
      ask_ms = now + (knows_peer ? interval_ms : ARP_MS);
    }
    if (now >= tell_ms) {
      u64 silent = last_answer_ms && now - last_answer_ms > longest_ms ? now - last_answer_ms : longest_ms;
      print("echo time_ms=%u asked=%u answered=%u repeated=%u silent_ms=%u announced=%u primary=%u\n", now, asked,
            answered, repeated, silent, announced, (u64)net_has_primary());
      longest_ms = 0;
      tell_ms += line_ms;
    }
    net_wait_until_ms(has_peer && ask_ms < tell_ms ? ask_ms : tell_ms);
    handle_all();
  }
}
