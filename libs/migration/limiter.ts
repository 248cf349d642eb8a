import type { Clock } from './ports.js';

/** How much may be sent at once after a pause: a tenth of a second's worth, as in QEMU (migration/migration.c). */
const BURST_MS = 100;
/** Shortest wait, and the longest one before looking at the rate again, so that a change takes effect soon. */
const TICK_MS = 1;
const LOOK_AGAIN_MS = 50;

/**
 * Keeps the average rate at `bytesPerSecond` (0 = no limit), which may change at any time. A token bucket that may go
 * into debt: what is sent need not fit the bucket, the next sender pays for it.
 */
export class BandwidthLimiter {
  private balanceBytes = 0;
  private filledAtMs: number;

  constructor(
    private readonly clock: Clock,
    private bytesPerSecond: number,
  ) {
    this.filledAtMs = clock.now();
  }

  setRate(bytesPerSecond: number): void {
    this.fill();
    this.bytesPerSecond = bytesPerSecond;
    if (bytesPerSecond === 0) this.balanceBytes = 0;
  }

  /** Waits until nothing is owed. Rejects with the signal's reason when it aborts. */
  async ready(signal: AbortSignal): Promise<void> {
    for (;;) {
      this.fill();
      if (this.bytesPerSecond === 0 || this.balanceBytes >= 0) return;
      const owedMs = (-this.balanceBytes / this.bytesPerSecond) * 1000;
      await this.clock.sleep(Math.min(Math.max(owedMs, TICK_MS), LOOK_AGAIN_MS), signal);
    }
  }

  spend(bytes: number): void {
    if (this.bytesPerSecond > 0) this.balanceBytes -= bytes;
  }

  private fill(): void {
    const nowMs = this.clock.now();
    const earned = ((nowMs - this.filledAtMs) / 1000) * this.bytesPerSecond;
    this.balanceBytes = Math.min(this.balanceBytes + earned, (BURST_MS / 1000) * this.bytesPerSecond);
    this.filledAtMs = nowMs;
  }
}
