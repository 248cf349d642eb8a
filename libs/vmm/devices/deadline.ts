/** A deadline of a device, by a clock of the device's choice. While the machine is held it does not pass. */

/** Calls once, after that many milliseconds of host time; returns how to prevent it. */
export type CallAfter = (ms: number, action: () => void) => () => void;

/** Host timers take no more than 31 bits of milliseconds; and a clock that was set is looked at again within a day. */
const LONGEST_WAIT_MS = 86_400_000;

export class Deadline {
  private waiting = false;
  private held = true;
  private cancel: (() => void) | undefined;

  /** `msLeft`: how long until the deadline, by the device's clock; at 0 or less `passed` is called, once. */
  constructor(
    private readonly callAfter: CallAfter,
    private readonly msLeft: () => number,
    private readonly passed: () => void,
  ) {}

  /** True between `await` and the deadline. */
  get isAwaited(): boolean {
    return this.waiting;
  }

  /** Waits for the deadline, or for the new one if it has moved; one that lies in the past passes at once. */
  await(): void {
    this.waiting = true;
    this.look();
  }

  forget(): void {
    this.waiting = false;
    this.look();
  }

  /** The machine stands still. */
  hold(): void {
    this.held = true;
    this.look();
  }

  /** The machine goes on. What is due passes when it does. */
  resume(): void {
    this.held = false;
    if (this.waiting) this.lookAfter(0);
  }

  private look(): void {
    this.cancel?.();
    this.cancel = undefined;
    if (!this.waiting || this.held) return;
    const ms = this.msLeft();
    if (ms > 0) {
      this.lookAfter(ms);
    } else {
      this.waiting = false;
      this.passed();
    }
  }

  private lookAfter(ms: number): void {
    this.cancel?.();
    this.cancel = this.callAfter(Math.min(ms, LONGEST_WAIT_MS), () => this.look());
  }
}
