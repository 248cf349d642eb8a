/**
 * Slowing harts down from outside, as a migration does whose guest writes faster than the link. A hart that is throttled
 * at p percent rests after it has run, p / (100 - p) times as long (as QEMU does, softmmu/cpu-throttle.c); one that is
 * parked rests until the throttle changes. Interrupts stay pending meanwhile, and guest time goes on.
 */
import { H_DIRTIED, H_THROTTLE } from './layout.js';
import { hartBlock, load32, store32, wakeHart, type Shared } from './shared.js';

/** The throttle of a hart that does not run at all. */
export const PARKED = 100;
/** Less than this is not slept off, but added up. */
const LEAST_REST_NS = 1_000_000;
const NS_PER_MS = 1e6;

/** Keeps a hart from running for that much of its time, in percent from 0 to PARKED. It heeds this at once. */
export function throttleHart(shared: Shared, hart: number, percentage: number): void {
  const at = hartBlock(hart) + H_THROTTLE;
  if (load32(shared, at) === percentage) return;
  store32(shared, at, percentage);
  wakeHart(shared, hart);
}

export const throttleOf = (shared: Shared, hart: number): number => load32(shared, hartBlock(hart) + H_THROTTLE);

/** Lets all harts run as fast as they can. */
export function liftThrottles(shared: Shared, harts: number): void {
  for (let hart = 0; hart < harts; hart++) throttleHart(shared, hart, 0);
}

/** How many pages a hart has put into the dirty log since the VMM started, modulo 2^32. */
export const dirtiedBy = (shared: Shared, hart: number): number => load32(shared, hartBlock(hart) + H_DIRTIED) >>> 0;

/** The hart's side: what it owes for the time that it ran. */
export class HartRest {
  private owedNs = 0;
  private untilNs: bigint | null = null;

  constructor(
    private readonly shared: Shared,
    private readonly hart: number,
  ) {}

  /** The hart has run guest code for that long. */
  ran(ns: bigint): void {
    const percentage = throttleOf(this.shared, this.hart);
    if (percentage > 0 && percentage < PARKED) this.owedNs += (Number(ns) * percentage) / (PARKED - percentage);
  }

  /** For how long it must not run, from `nowNs` on; 0 if it may. */
  leftMs(nowNs: bigint): number {
    const percentage = throttleOf(this.shared, this.hart);
    if (percentage === PARKED) return Infinity;
    if (percentage === 0) this.forget();
    if (this.untilNs === null && this.owedNs >= LEAST_REST_NS) {
      this.untilNs = nowNs + BigInt(Math.round(this.owedNs));
      this.owedNs = 0;
    }
    if (this.untilNs === null) return 0;
    if (nowNs < this.untilNs) return Number(this.untilNs - nowNs) / NS_PER_MS;
    this.untilNs = null;
    return 0;
  }

  private forget(): void {
    this.owedNs = 0;
    this.untilNs = null;
  }
}
