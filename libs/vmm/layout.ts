/**
 * Where everything lies in a VM's shared WebAssembly memory. AssemblyScript imports this file too, so it holds nothing
 * but whole-number constants. Offsets are in bytes from the start of the memory unless the name says otherwise.
 *
 *     0x000_0000  guard page: stays zero, so that a null address is seen
 *     0x000_1000  MACHINE   one block: run state, time, sizes (all harts and the main thread share it)
 *     0x001_0000  HARTS     HART_SIZE bytes a hart, up to MAX_HARTS
 *     0x022_0000  DIRTY     one bit a guest page: written since the last dirty-log sync
 *     0x02a_0000  MISSING   one bit a guest page: its content is still to come (all zero outside post-copy)
 *     0x032_0000  CODE      one bit a guest page: some hart holds decoded instructions of it
 *     0x03a_0000  COUNTED   one bit a guest page: taken out of DIRTY to be counted, still to be seen by a migration
 *     0x042_0000  EXPANSIONS  what each compressed instruction stands for; the harts write and read it
 *     0x046_0000  ENGINE    scratch of the migration thread
 *     0x200_0000  CODE_VERSION  a u32 a guest page: grows when what a hart decoded there was overwritten
 *     0x300_0000  HART_CACHES  HART_CACHE_SIZE bytes a hart: decoded instructions, jump cache; never state
 *    0x2000_0000  RAM       guest-physical RAM_BASE
 *
 * Tables with something for each page have room for the most that any memory can have (memory.ts); the host backs what is
 * touched. All but RAM lies below 4 GiB, whatever addresses the memory has.
 */
export const MAX_HARTS = 16;
export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;
/** Guest-physical address of the first byte of RAM, as on QEMU's `virt` board. */
export const RAM_BASE = 0x8000_0000;

export const MACHINE = 0x1000;
export const HARTS = 0x1_0000;
export const HART_SIZE = 0x2_0000;
export const DIRTY = 0x22_0000;
/** Atomic, like DIRTY; see missing-pages.ts. */
export const MISSING = 0x2a_0000;
/** Atomic, like DIRTY. */
export const CODE = 0x32_0000;
export const COUNTED = 0x3a_0000;
/** 65,536 x u32: the 32-bit instruction of each 16-bit one (cpu/compressed). The same for all harts. */
export const EXPANSIONS = 0x42_0000;
export const ENGINE = 0x46_0000;
export const ENGINE_SIZE = 0x198_0000;
/** u32, atomic, for each page; see cpu/code-pages for it and CODE. */
export const CODE_VERSION = 0x200_0000;
export const HART_CACHES = 0x300_0000;
export const HART_CACHE_SIZE = 0x1d0_0000;
/** A hart's cache area: first what it has decoded (cpu/decoded-pages), then what the translator keeps for it. */
export const CACHE_DECODED_SIZE = 0x1a0_0000;
export const CACHE_TRANSLATED = 0x1a0_0000;
export const RAM = 0x2000_0000;
/** Bytes of the DIRTY, MISSING, COUNTED and CODE bitmaps: enough for 16 GiB of guest RAM. */
export const BITMAP_SIZE = 0x8_0000;

// Fields of the MACHINE block (offsets from MACHINE).
/** u64: guest RAM in bytes. */
export const M_RAM_SIZE = 0x00;
/** i32: number of harts. */
export const M_HARTS = 0x08;
/** i32, atomic: 1 while the guest may run, 0 while it is stopped; whoever changes it wakes every hart (H_WAKE). */
export const M_RUNNING = 0x0c;
/** i32, atomic: how many harts are parked; notified on change. */
export const M_PARKED = 0x10;
/** i64, atomic: what to add to the host's monotonic nanoseconds for guest nanoseconds, valid while time runs. */
export const M_TIME_OFFSET_NS = 0x18;
/** i64, atomic: guest nanoseconds at which time stands still, valid while M_TIME_STOPPED is 1. */
export const M_TIME_STOPPED_NS = 0x20;
/** i32, atomic: doorbell of the main thread, incremented and notified by a hart that posted a mailbox request. */
export const M_DOORBELL = 0x28;
/** i32, atomic: 1 while guest time stands still: from the moment that all harts are parked until they go on. */
export const M_TIME_STOPPED = 0x2c;
/** i64, atomic: pages that were taken out of DIRTY since the VMM started (the same page may count many times). */
export const M_DIRTIED_PAGES = 0x30;
/** u32, atomic: grows with every growth of a CODE_VERSION, so that a FENCE.I sees at one glance that nothing changed. */
export const M_CODE_CHANGES = 0x38;
/** i32, atomic: grows and is notified when a hart asks for a translation (cpu/translation-area). */
export const M_REQUESTED = 0x3c;
/** i32, atomic: 1 while somebody moves bits out of DIRTY; see dirty-log.ts. */
export const M_DIRTY_LOCK = 0x4c;
/** u64, atomic: what the guest has set mtime to differ from guest time, in ticks of TICK_NS. */
export const M_MTIME_OFFSET = 0x58;
/** u64: guest-physical address of 8 bytes of RAM whose stores the main thread is told of (devices/htif.ts); 0 if none. */
export const M_TOHOST = 0x50;
/** i32, atomic: how many bits of MISSING are set. */
export const M_MISSING_PAGES = 0x60;
/** i32, atomic: grows and is notified when a hart waits for a page that is missing. */
export const M_MISSES = 0x64;
/** i32, atomic: grows and is notified when pages have arrived. */
export const M_ARRIVALS = 0x68;
/** i32, atomic: 1 while a hart looks out for a page without sleeping. */
export const M_POLLING = 0x6c;

// Fields of a hart's block (offsets from HARTS + hart * HART_SIZE).
/** 33 x u64: x0..x31 and, at index 32, the sink for writes to x0. */
export const H_X = 0x000;
/** u64: program counter. */
export const H_PC = 0x108;
/** u32: privilege mode, 0 = U, 1 = S, 3 = M. */
export const H_PRIV = 0x110;
/** i32: SBI HSM state: 0 started, 1 stopped, 2 start pending, ... (SBI spec, chapter HSM). */
export const H_HSM = 0x114;
/** u64: instructions retired. */
export const H_INSTRET = 0x118;
/** u64: address of the LR reservation, all ones if none; u64: the value that was read. */
export const H_RESERVATION = 0x120;
export const H_RESERVED_VALUE = 0x128;
/** i32, atomic: why the hart must leave its run loop (ATTENTION_* bits). */
export const H_ATTENTION = 0x130;
/** i32, atomic: incremented and notified to wake the hart, whatever it waits for: it waits nowhere else. */
export const H_WAKE = 0x134;
/** i32, atomic: the newest H_REQUEST whose attention bits the hart has served; notified on change. */
export const H_ACK = 0x138;
/** i32, atomic: interrupt-pending bits set by others (mip layout); the hart's mip reads as these plus its own. */
export const H_MIP = 0x13c;
/** u64, atomic: CLINT mtimecmp in ticks of TICK_NS. */
export const H_MTIMECMP = 0x140;
/** u64, atomic: stimecmp, the timer of S-mode by SBI or Sstc, in ticks; all ones = never. */
export const H_STIMECMP = 0x148;
/** i64, atomic: nanoseconds of host CPU time that the hart's thread has used for guest code (for CPU load). */
export const H_BUSY_NS = 0x150;
/** i32, atomic: incremented by whoever asks for attention, after setting the bits; H_ACK follows it. */
export const H_REQUEST = 0x158;
/** i32, atomic: ATTENTION_* bits that the hart, which waits, is bound to serve before it runs guest code again. */
export const H_QUIET = 0x15c;
/** u64: where HSM hart_start lets the hart begin, and what it then finds in a1; valid while start is pending. */
export const H_START_PC = 0x160;
export const H_START_OPAQUE = 0x168;
/** i64, atomic: what ATTENTION_FENCE makes the hart forget: FENCE_NONE, FENCE_ALL or a range (remote-fence.ts). */
export const H_FENCE = 0x170;
export const FENCE_NONE = 0;
export const FENCE_ALL = -1;
/** Mailbox: one request of this hart, served by the main thread. */
export const H_MAIL_STATE = 0x180; // i32, atomic: MAIL_* below
export const H_MAIL_WRITE = 0x184; // i32: what is asked, MAIL_READ, ...
export const H_MAIL_SIZE = 0x188; // i32: bytes: 1, 2, 4 or 8 for a device access, any for the console
export const H_MAIL_ADDR = 0x190; // u64: guest-physical address of a device register, or of a console buffer in RAM
export const H_MAIL_VALUE = 0x198; // u64: value written, or the answer (for the console: bytes done)
export const MAIL_FREE = 0;
export const MAIL_POSTED = 1;
export const MAIL_ANSWERED = 2;
/** Nothing is at that address: the hart raises an access fault. */
export const MAIL_FAULT = 3;
/** The main thread has read it and answers later. */
export const MAIL_TAKEN = 4;
export const MAIL_READ = 0;
export const MAIL_WRITE = 1;
export const MAIL_CONSOLE_WRITE = 2;
export const MAIL_CONSOLE_READ = 3;
/** i32, atomic: percent of its time for which the hart is kept from running; 100 = parked (throttle.ts). */
export const H_THROTTLE = 0x1a0;
/** u32: pages that the hart put into the dirty log since it began, modulo 2^32. */
export const H_DIRTIED = 0x1a4;
/** 32 x u64: f0..f31; single precision is NaN-boxed. */
export const H_F = 0x200;
/** i32, atomic: 1 + number of the page that the hart waits for, 0 if for none. */
export const H_MISSING = 0x300;
/** i32: how often it has waited for one. */
export const H_MISSES = 0x304;
/** i64, atomic: nanoseconds that it has waited for pages. */
export const H_BLOCKED_NS = 0x308;
/** i32, atomic: 1 + number of the page that was asked for on its behalf last: it was not on its way already. */
export const H_ASKED = 0x310;
/** 96 x u32, atomic: how often it has waited for how long; see missing-pages.ts. */
export const H_LATENCIES = 0x340;
/** The same, of pages that had to be asked for alone. */
export const H_FETCH_LATENCIES = 0x4c0;
/** CSRs: H_CSR + 8 * (index in cpu/csr). Private to the hart module; 0x1000..0x1fff. */
export const H_CSR = 0x1000;
/** Software TLBs, private to the hart module: read, write, execute. */
export const H_TLB_READ = 0x4000;
export const H_TLB_WRITE = 0x8000;
export const H_TLB_EXEC = 0xc000;
/**
 * In each TLB, the entry (16 bytes) for a virtual address is at ((va >> TLB_SHIFT) ^ (va >> TLB_FOLD)) & TLB_MASK: chosen
 * by the low bits of the page number, folded with the next ones so that arrays that lie a power of two apart do not meet.
 */
export const TLB_SHIFT = 8;
export const TLB_FOLD = 18;
export const TLB_MASK = 0x3ff0;

/** Leave the run loop and look at M_RUNNING. */
export const ATTENTION_STOP = 1;
/** Forget the write TLB, so that the next write to each page is logged again; then acknowledge. */
export const ATTENTION_FLUSH_WRITES = 2;
/** Forget the translations that H_FENCE tells, if all of them then decoded code too; then acknowledge. */
export const ATTENTION_FENCE = 4;
/** An interrupt may be pending. */
export const ATTENTION_INTERRUPT = 8;
/** The HSM state was changed from outside. */
export const ATTENTION_HSM = 16;
/** The hart's block was written anew (boot, reset, incoming state): begin from it. */
export const ATTENTION_RELOAD = 32;

/** One tick of mtime: the timebase is 10 MHz, as on QEMU's `virt` board. */
export const TICK_NS = 100;
