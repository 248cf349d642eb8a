#include "guest.h"

static volatile u8 *const uart = (volatile u8 *)0x10000000;
enum { THR = 0, LSR = 5, LSR_THRE = 0x20 };
static u32 speaker; /* who prints: hart id + 1, 0 = nobody */

static void put(char c) {
  while (!(uart[LSR] & LSR_THRE)) {
  }
  uart[THR] = (u8)c;
}

static void put_number(u64 value, u64 base) {
  char digits[24];
  int n = 0;
  do digits[n++] = "0123456789abcdef"[value % base];
  while (value /= base);
  while (n) put(digits[--n]);
}

void take_console(void) {
  u32 me = (u32)this_hart() + 1, nobody = 0;
  if (__atomic_load_n(&speaker, __ATOMIC_RELAXED) == me) return; /* a fault while it printed */
  while (!__atomic_compare_exchange_n(&speaker, &nobody, me, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) nobody = 0;
}

void print(const char *format, ...) {
  __builtin_va_list arguments;
  __builtin_va_start(arguments, format);
  take_console();
  for (; *format; format++) {
    if (*format != '%') {
      if (*format == '\n') put('\r');
      put(*format);
      continue;
    }
    switch (*++format) {
      case 'u': put_number(__builtin_va_arg(arguments, u64), 10); break;
      case 'x': put_number(__builtin_va_arg(arguments, u64), 16); break;
      case 's': for (const char *s = __builtin_va_arg(arguments, const char *); *s; s++) put(*s); break;
      default: put(*format);
    }
  }
  __atomic_store_n(&speaker, 0, __ATOMIC_RELEASE);
  __builtin_va_end(arguments);
}
