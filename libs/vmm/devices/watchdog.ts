/**
 * The watchdog of Allwinner's A31, for which Linux has a driver on RISC-V too (drivers/watchdog/sunxi_wdt.c; binding
 * allwinner,sun4i-a10-wdt.yaml): once started it expires unless the guest reloads it in time. What then happens is up
 * to the VM's owner. It counts guest time, which stands still while the guest is stopped.
 */
import { Deadline, type CallAfter } from './deadline.js';
import { checkFields, type Device } from './device.js';

const CTRL = 0x10;
const CONFIG = 0x14;
const MODE = 0x18;

const CTRL_KEY = 0x0a57 << 1;
const CTRL_RELOAD = 1;
const CONFIG_MASK = 3;
/** The only effect that is wired: the whole system. Another is an interrupt, which the board has no line for. */
const CONFIG_SYSTEM = 1;
const MODE_ENABLE = 1;
const MODE_MASK = 0xf1;

const MS = 1_000_000n;
/** By the interval field of MODE; the fields above mean the longest. */
const INTERVALS_MS = [500, 1000, 2000, 3000, 4000, 5000, 6000, 8000, 10_000, 12_000, 14_000, 16_000];
const LONGEST_MS = 16_000;

export interface WatchdogPorts {
  /** Guest time in nanoseconds. */
  guestNs(): bigint;
  readonly callAfter: CallAfter;
  /** The guest has not reloaded it in time; it is told once, and again only after the guest has. */
  expired(): void;
}

export interface WatchdogState {
  readonly config: number;
  readonly mode: number;
  /** Guest time at which it expires, in nanoseconds, decimal; empty while it does not count. */
  readonly deadlineNs: string;
}

export class Watchdog implements Device<WatchdogState> {
  private config = 0;
  private mode = 0;
  private deadlineNs = 0n;
  private readonly deadline: Deadline;

  constructor(private readonly ports: WatchdogPorts) {
    const msLeft = () => Number(this.deadlineNs - ports.guestNs()) / 1e6;
    this.deadline = new Deadline(ports.callAfter, msLeft, () => {
      if (this.config === CONFIG_SYSTEM) ports.expired();
    });
  }

  read(offset: number, size: number): number {
    if (size !== 4) return 0;
    if (offset === CONFIG) return this.config;
    return offset === MODE ? this.mode : 0;
  }

  write(offset: number, size: number, value: number): void {
    if (size !== 4) return;
    if (offset === CONFIG) this.config = value & CONFIG_MASK;
    else if (offset === MODE) this.setMode(value & MODE_MASK);
    else if (offset === CTRL && (value & ~CTRL_RELOAD & 0x1fff) === CTRL_KEY && value & CTRL_RELOAD) this.reload();
  }

  reset(): void {
    this.become({ config: 0, mode: 0, deadlineNs: '' });
  }

  hold(): void {
    this.deadline.hold();
  }

  resume(): void {
    this.deadline.resume();
  }

  save(): WatchdogState {
    const { config, mode, deadlineNs, deadline } = this;
    return { config, mode, deadlineNs: deadline.isAwaited ? String(deadlineNs) : '' };
  }

  restore(state: WatchdogState): void {
    checkFields('watchdog', { ...state }, { config: CONFIG_MASK, mode: MODE_MASK });
    if (!/^\d{0,20}$/.test(state.deadlineNs)) throw new RangeError(`watchdog state: deadlineNs is ${state.deadlineNs}`);
    this.become(state);
  }

  private become({ config, mode, deadlineNs }: WatchdogState): void {
    this.config = config;
    this.mode = mode;
    this.deadlineNs = BigInt(deadlineNs);
    if (deadlineNs === '') this.deadline.forget();
    else this.deadline.await();
  }

  private setMode(mode: number): void {
    const changed = mode !== this.mode;
    this.mode = mode;
    if (!(mode & MODE_ENABLE)) this.deadline.forget();
    else if (changed) this.reload();
  }

  private reload(): void {
    if (!(this.mode & MODE_ENABLE)) return;
    this.deadlineNs = this.ports.guestNs() + BigInt(INTERVALS_MS[this.mode >> 4] ?? LONGEST_MS) * MS;
    this.deadline.await();
  }
}
