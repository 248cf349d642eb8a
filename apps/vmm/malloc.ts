/** What the C library's allocator keeps of memory that was freed. */

/** mallopt(3). */
const M_TRIM_THRESHOLD = -1;
const TRIM_THRESHOLD_BYTES = 128 * 1024;

/**
 * Has each arena give back what is free at its end: else glibc adapts to the most that was ever freed at once, and keeps
 * 10 MiB for every thread that compiles. Setting it ends that. C libraries without such a call need none.
 */
export async function limitMalloc(): Promise<void> {
  try {
    const { default: koffi } = await import('koffi');
    const mallopt = koffi.load(null).func('int mallopt(int, int)') as (parameter: number, value: number) => number;
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
  } catch {
    // the process keeps more, and works as well
  }
}
