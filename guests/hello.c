/* Prints a line and ends with the exit status that bootargs ask for: exit=N, 0 by default. */
#include "lib/guest.h"

void main(u64 hart, const void *tree) {
  u64 status = 0;
  static const char *const names[] = {"exit", 0};
  read_device_tree(tree);
  allow_arguments("hello", names);
  if (argument("exit", &status, 0) < 0 || status > 255) {
    print("hello: exit= takes a number from 0 to 255\n");
    finish(BAD_ARGUMENT);
  }
  print("hello from hart %u of %u, %u MiB of RAM\n", hart, (u64)facts.harts, facts.ram_bytes / MIB);
  finish((u32)status);
}
