/** Slows the guest down while a migration runs, and lets it go when that ends; throttle-rule.ts decides. */
import { dirtiedBy, liftThrottles, PARKED, throttleHart, throttleOf } from '#vmm';
import type { GuestMemory } from '#vmm';
import type { Clock } from './ports.js';
import type { AutoConverge, AutoConvergeParameters, WrittenAndSent } from './throttle-rule.js';
import { autoConverge, NOT_CONVERGING_YET, parkedIn, writers } from './throttle-rule.js';

/** May change while the migration runs. */
export interface ThrottleParameters {
  /** null: auto-converge is off. */
  readonly autoConverge: AutoConvergeParameters | null;
  /** Asked for from outside, in percent; the guest is slowed down by this or by auto-converge, whichever is more. */
  readonly percentage: number;
  /** Only the harts that write most of the pages are slowed down. */
  readonly writersOnly: boolean;
  /** How many harts rest at any time; they take turns. At least one always runs. */
  readonly parkedHarts: number;
}

export interface ThrottleFigures {
  /** 0: nothing is slowed down. */
  readonly percentage: number;
  /** Those that are slowed down, and those that are parked now. */
  readonly harts: readonly number[];
  readonly parkedHarts: readonly number[];
}

/** How long a hart stays parked: short enough for those that wait for a lock of its. */
const TURN_MS = 100;
/** Auto-converge judges no shorter time than this, as in QEMU. */
const LEAST_PERIOD_MS = 1000;
/** Fewer logged pages tell nothing about who writes. */
const ENOUGH_PAGES = 64;

export class GuestThrottle {
  private state: AutoConverge = NOT_CONVERGING_YET;
  private period = { writtenBytes: 0, sentBytes: 0, beganAtMs: 0 };
  private turn = 0;
  private readonly harts: readonly number[];
  private writing: readonly number[];
  private counted: number[];
  private readonly ended = new AbortController();

  constructor(
    private readonly memory: GuestMemory,
    private readonly clock: Clock,
    private parameters: ThrottleParameters,
  ) {
    this.harts = Array.from({ length: memory.harts }, (_, hart) => hart);
    this.writing = this.harts;
    this.counted = this.harts.map((hart) => dirtiedBy(memory, hart));
  }

  get figures(): ThrottleFigures {
    const harts = this.ended.signal.aborted ? [] : this.harts;
    const throttled = harts.filter((hart) => throttleOf(this.memory, hart) > 0);
    const parkedHarts = throttled.filter((hart) => throttleOf(this.memory, hart) === PARKED);
    const percentage = this.ended.signal.aborted ? 0 : this.percentage;
    return { percentage, harts: percentage > 0 ? throttled : [], parkedHarts };
  }

  /** From now on, until `release`. */
  begin(): void {
    this.period = { writtenBytes: 0, sentBytes: 0, beganAtMs: this.clock.now() };
    this.apply();
    void this.takeTurns().catch(() => undefined); // ends with `release`
  }

  set(parameters: ThrottleParameters): void {
    this.parameters = parameters;
    if (!parameters.autoConverge) this.state = NOT_CONVERGING_YET;
    this.seeWhoWrites();
    this.apply();
  }

  /** A pass over the dirty log has ended. */
  passed({ writtenBytes, sentBytes }: WrittenAndSent): void {
    const { period, parameters, clock } = this;
    period.writtenBytes += writtenBytes;
    period.sentBytes += sentBytes;
    this.seeWhoWrites();
    if (clock.now() - period.beganAtMs >= LEAST_PERIOD_MS) {
      if (parameters.autoConverge) this.state = autoConverge(this.state, period, parameters.autoConverge);
      this.period = { writtenBytes: 0, sentBytes: 0, beganAtMs: clock.now() };
    }
    this.apply();
  }

  /** The guest runs as fast as it can again. */
  release(): void {
    this.ended.abort();
    liftThrottles(this.memory, this.memory.harts);
  }

  private get percentage(): number {
    return Math.max(this.parameters.percentage, this.state.percentage);
  }

  private async takeTurns(): Promise<never> {
    for (;;) {
      await this.clock.sleep(TURN_MS, this.ended.signal);
      this.turn += 1;
      this.apply();
    }
  }

  private seeWhoWrites(): void {
    const { memory, harts } = this;
    const now = harts.map((hart) => dirtiedBy(memory, hart));
    const writes = harts.map((hart) => ({
      pages: (now[hart]! - this.counted[hart]!) >>> 0,
      percentage: throttleOf(memory, hart),
    }));
    if (writes.reduce((sum, { pages }) => sum + pages, 0) < ENOUGH_PAGES) return;
    this.writing = writers(writes);
    this.counted = now;
  }

  private apply(): void {
    if (this.ended.signal.aborted) return;
    const { writersOnly, parkedHarts } = this.parameters;
    const parked = parkedIn(this.turn, parkedHarts, this.harts.length);
    for (const hart of this.harts) {
      const isSlowed = !writersOnly || this.writing.includes(hart);
      throttleHart(this.memory, hart, parked.includes(hart) ? PARKED : isSlowed ? this.percentage : 0);
    }
  }
}
