/**
 * The real-time clock, as on QEMU's `virt` board (hw/rtc/goldfish_rtc.c): nanoseconds since 1970 by the host's wall
 * clock, plus what the guest has set it to differ, and one alarm. It follows the host's clock while the guest is stopped
 * too, so the date is right after a pause and at the other end of a migration.
 */
import { Deadline, type CallAfter } from './deadline.js';
import { checkFields, type Device } from './device.js';

const TIME_LOW = 0x00;
const TIME_HIGH = 0x04;
const ALARM_LOW = 0x08;
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const CLEAR_ALARM = 0x14;
const ALARM_STATUS = 0x18;
const CLEAR_INTERRUPT = 0x1c;

const WORD = 0xffff_ffff;

export interface RtcPorts {
  /** The host's wall clock: nanoseconds since 1970. */
  wallNs(): bigint;
  readonly callAfter: CallAfter;
  /** The level of the interrupt line has changed. */
  interrupt(level: boolean): void;
}

export interface RtcState {
  /** What the guest's time is ahead of the host's, in nanoseconds modulo 2^64; decimal, to survive JSON. */
  readonly offsetNs: string;
  /** Nanoseconds since 1970 by the guest's time, decimal. */
  readonly alarmNs: string;
  /** 1 while the alarm is still to come. */
  readonly alarmRunning: number;
  /** Upper half of the time, as it was when the lower half was read. */
  readonly timeHigh: number;
  readonly irqEnabled: number;
  readonly irqPending: number;
}

export class Rtc implements Device<RtcState> {
  private offsetNs = 0n;
  private alarmNs = 0n;
  private timeHigh = 0;
  private irqEnabled = 0;
  private irqPending = 0;
  private readonly alarm: Deadline;

  constructor(private readonly ports: RtcPorts) {
    const msLeft = () => Number(this.alarmNs - this.nowNs()) / 1e6;
    this.alarm = new Deadline(ports.callAfter, msLeft, () => {
      this.irqPending = 1;
      this.updateLine();
    });
  }

  read(offset: number, size: number): number {
    if (size !== 4) return 0;
    switch (offset) {
      case TIME_LOW: {
        const nowNs = this.nowNs();
        this.timeHigh = high(nowNs);
        return low(nowNs);
      }
      case TIME_HIGH:
        return this.timeHigh;
      case ALARM_LOW:
        return low(this.alarmNs);
      case ALARM_HIGH:
        return high(this.alarmNs);
      case IRQ_ENABLED:
        return this.irqEnabled;
      case ALARM_STATUS:
        return Number(this.alarm.isAwaited);
      default:
        return 0;
    }
  }

  write(offset: number, size: number, value: number): void {
    if (size !== 4) return;
    switch (offset) {
      case TIME_LOW:
        this.setTime(withLow(this.nowNs(), value));
        break;
      case TIME_HIGH:
        this.setTime(withHigh(this.nowNs(), value));
        break;
      case ALARM_LOW: // sets it, as drivers know: they write the upper half first
        this.alarmNs = withLow(this.alarmNs, value);
        this.alarm.await();
        break;
      case ALARM_HIGH:
        this.alarmNs = withHigh(this.alarmNs, value);
        break;
      case IRQ_ENABLED:
        this.irqEnabled = value & 1;
        break;
      case CLEAR_ALARM:
        this.alarm.forget();
        break;
      case CLEAR_INTERRUPT:
        this.irqPending = 0;
        break;
      default: // the others are read-only
    }
    this.updateLine();
  }

  reset(): void {
    this.become({ offsetNs: '0', alarmNs: '0', alarmRunning: 0, timeHigh: 0, irqEnabled: 0, irqPending: 0 });
  }

  hold(): void {
    this.alarm.hold();
  }

  resume(): void {
    this.alarm.resume();
  }

  save(): RtcState {
    const { offsetNs, alarmNs, timeHigh, irqEnabled, irqPending } = this;
    const alarmRunning = Number(this.alarm.isAwaited);
    return {
      ...{ offsetNs: String(offsetNs), alarmNs: String(alarmNs), alarmRunning, timeHigh, irqEnabled, irqPending },
    };
  }

  restore(state: RtcState): void {
    checkFields('rtc', { ...state }, { alarmRunning: 1, timeHigh: WORD, irqEnabled: 1, irqPending: 1 });
    for (const name of ['offsetNs', 'alarmNs'] as const) {
      if (!/^\d{1,20}$/.test(state[name]) || BigInt(state[name]) >> 64n) {
        throw new RangeError(`rtc state: ${name} is ${state[name]}, not a whole number of 64 bits`);
      }
    }
    this.become(state);
  }

  private become(state: RtcState): void {
    this.offsetNs = BigInt(state.offsetNs);
    this.alarmNs = BigInt(state.alarmNs);
    this.timeHigh = state.timeHigh;
    this.irqEnabled = state.irqEnabled;
    this.irqPending = state.irqPending;
    if (state.alarmRunning) this.alarm.await();
    else this.alarm.forget();
    this.updateLine();
  }

  private nowNs(): bigint {
    return BigInt.asUintN(64, this.ports.wallNs() + this.offsetNs);
  }

  /** The alarm is by the guest's time: it moves with it. */
  private setTime(ns: bigint): void {
    this.offsetNs = BigInt.asUintN(64, ns - this.ports.wallNs());
    if (this.alarm.isAwaited) this.alarm.await();
  }

  private updateLine(): void {
    this.ports.interrupt((this.irqPending & this.irqEnabled) === 1);
  }
}

const low = (ns: bigint): number => Number(BigInt.asUintN(32, ns));
const high = (ns: bigint): number => Number(ns >> 32n);
const withLow = (ns: bigint, value: number): bigint => ((ns >> 32n) << 32n) | BigInt(value >>> 0);
const withHigh = (ns: bigint, value: number): bigint => (BigInt(value >>> 0) << 32n) | BigInt.asUintN(32, ns);
