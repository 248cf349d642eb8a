/**
 * Guest time: host monotonic nanoseconds plus an offset while the guest may run, a stored value while it may not. No
 * guest can set it: what it writes to mtime is an offset of mtime alone, which has all 64 bits and wraps around. The
 * fields lie in the shared memory, so every thread with the same host clock reads the same time.
 */
import { MACHINE, M_MTIME_OFFSET, M_TIME_OFFSET_NS, M_TIME_STOPPED, M_TIME_STOPPED_NS, TICK_NS } from './layout.js';
import { load32, loadI64, loadU64, store32, store64, type Shared } from './shared.js';

const TICK = BigInt(TICK_NS);

export class GuestClock {
  /** `hostNs`: the host's monotonic clock in nanoseconds, the same in every thread of the process. */
  constructor(
    private readonly shared: Shared,
    private readonly hostNs: () => bigint,
  ) {}

  /** True while guest time stands still. */
  get stopped(): boolean {
    return load32(this.shared, MACHINE + M_TIME_STOPPED) === 1;
  }

  nowNs(): bigint {
    if (this.stopped) return loadI64(this.shared, MACHINE + M_TIME_STOPPED_NS);
    return this.hostNs() + loadI64(this.shared, MACHINE + M_TIME_OFFSET_NS);
  }

  /** mtime: guest time in ticks of the 10 MHz timebase, plus mtimeOffset; 64 bits, unsigned. */
  ticks(): bigint {
    return BigInt.asUintN(64, this.nowNs() / TICK + this.mtimeOffset);
  }

  /** How much mtime is ahead of guest time, in ticks modulo 2^64. */
  get mtimeOffset(): bigint {
    return loadU64(this.shared, MACHINE + M_MTIME_OFFSET);
  }

  set mtimeOffset(ticks: bigint) {
    store64(this.shared, MACHINE + M_MTIME_OFFSET, ticks);
  }

  /** Host milliseconds until mtime reaches `ticks`: 0 if it has, Infinity for a time that never comes. */
  msUntil(ticks: bigint): number {
    const now = this.ticks();
    if (ticks <= now) return 0;
    const waitNs = (ticks - now) * TICK - (this.nowNs() % TICK);
    return waitNs > 1n << 60n ? Infinity : Number(waitNs) / 1e6;
  }

  /** Stops guest time at `atNs`, by default now. Only while every hart is parked, so that no hart sees it go back. */
  stop(atNs = this.nowNs()): void {
    store64(this.shared, MACHINE + M_TIME_STOPPED_NS, atNs);
    store32(this.shared, MACHINE + M_TIME_STOPPED, 1);
  }

  /** Lets guest time go on from where it stopped. */
  start(): void {
    store64(this.shared, MACHINE + M_TIME_OFFSET_NS, this.nowNs() - this.hostNs());
    store32(this.shared, MACHINE + M_TIME_STOPPED, 0);
  }

  /** Makes mtime read `ticks` now (a guest's write to it). */
  setTicks(ticks: bigint): void {
    this.mtimeOffset = BigInt.asUintN(64, ticks - this.nowNs() / TICK);
  }
}
