/* Reader of the flattened device tree (Devicetree Specification 0.4, chapter 5): just what a guest program asks for. */
#include "guest.h"

enum { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOP = 4, END = 9 };

struct machine_facts facts = {.bootargs = "", .timebase_hz = 10000000};

static u32 big32(const void *at) {
  const u8 *b = at;
  return (u32)b[0] << 24 | (u32)b[1] << 16 | (u32)b[2] << 8 | b[3];
}
static u64 big64(const void *at) { return (u64)big32(at) << 32 | big32((const u8 *)at + 4); }

static int starts_with(const char *text, const char *start) {
  while (*start) if (*text++ != *start++) return 0;
  return 1;
}

static u64 length_of(const char *text) {
  u64 length = 0;
  while (text[length]) length++;
  return length;
}

void read_device_tree(const void *tree) {
  const u8 *base = tree;
  const u8 *at = base + big32(base + 8);
  const char *strings = (const char *)base + big32(base + 12);
  const char *path[8] = {""};
  int depth = 0;
  facts.tree_start = (u64)tree;
  facts.tree_bytes = big32(base + 4);
  for (;;) {
    u32 token = big32(at);
    at += 4;
    if (token == BEGIN_NODE) {
      const char *name = (const char *)at;
      at += (length_of(name) + 4) & ~3UL;
      if (++depth < 8) path[depth] = name;
      if (depth == 3 && starts_with(path[2], "cpus") && starts_with(name, "cpu@")) facts.harts++;
    } else if (token == END_NODE) {
      depth--;
    } else if (token == PROPERTY) {
      u32 length = big32(at);
      const char *name = strings + big32(at + 4);
      const u8 *value = at + 8;
      at = value + ((length + 3) & ~3U);
      if (depth == 2 && equals(path[2], "chosen") && equals(name, "bootargs")) facts.bootargs = (const char *)value;
      if (depth == 2 && equals(path[2], "cpus") && equals(name, "timebase-frequency")) facts.timebase_hz = big32(value);
      if (depth == 2 && starts_with(path[2], "memory") && equals(name, "reg")) {
        facts.ram_start = big64(value);
        facts.ram_bytes = big64(value + 8);
      }
    } else if (token == END) {
      return;
    }
  }
}

void allow_arguments(const char *program, const char *const *names) {
  for (const char *at = facts.bootargs; *at;) {
    const char *const *name = names;
    for (; *name; name++)
      if (starts_with(at, *name) && at[length_of(*name)] == '=') break;
    if (*at != ' ' && !*name) {
      char word[32];
      u32 n = 0;
      for (; *at && *at != ' '; at++)
        if (n + 1 < sizeof word) word[n++] = *at;
      word[n] = 0;
      print("%s: there is no parameter %s; use", program, word);
      for (name = names; *name; name++) print(" %s=", *name);
      print("\n");
      finish(BAD_ARGUMENT);
    }
    while (*at && *at != ' ') at++;
    while (*at == ' ') at++;
  }
}

int argument_word(const char *name, char *word, u32 size) {
  for (const char *at = facts.bootargs; *at;) {
    while (*at == ' ') at++;
    const char *start = at;
    u64 length = 0;
    while (name[length] && start[length] == name[length]) length++;
    if (!name[length] && start[length] == '=') {
      u32 n = 0;
      for (start += length + 1; *start && *start != ' '; start++) if (n + 1 < size) word[n++] = *start;
      word[n] = 0;
      return 1;
    }
    while (*at && *at != ' ') at++;
  }
  return 0;
}

int argument(const char *name, u64 *value, const char *max_word) {
  char word[24];
  if (!argument_word(name, word, sizeof word)) return 0;
  if (max_word && equals(word, max_word)) {
    *value = ~0UL;
    return 1;
  }
  u64 number = 0;
  for (const char *digit = word; *digit || digit == word; digit++) {
    if (*digit < '0' || *digit > '9' || number > 1000000) return -1;
    number = number * 10 + (u64)(*digit - '0');
  }
  *value = number;
  return 1;
}
