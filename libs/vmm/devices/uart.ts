/**
 * A 16550A UART (National Semiconductor PC16550D data sheet, section 8). The line is infinitely fast: what is written to
 * THR is gone at once, so the transmitter is always empty. What the host types waits in a backlog behind the 16-byte
 * receive FIFO, and is part of the state, so that a migration loses no key.
 */
import { checkFields, checkList, type Device } from './device.js';

const FIFO_SIZE = 16;
const MAX_BACKLOG = 64 * 1024;

const RBR_THR = 0;
const IER = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_RDI = 1;
const IER_THRI = 2;
const LCR_DLAB = 0x80;
const FCR_ENABLE = 1;
const FCR_CLEAR_RX = 2;
const MCR_LOOP = 0x10;
const IIR_NONE = 1;
const IIR_THRI = 2;
const IIR_RDI = 4;
const LSR_DATA_READY = 1;
const LSR_TRANSMITTER_EMPTY = 0x60;
/** Clear to send, data set ready, carrier detect: somebody is always at the other end. */
const MSR_CONNECTED = 0xb0;

export interface UartPorts {
  /** A byte that the guest sends. */
  transmit(byte: number): void;
  /** The level of the interrupt line has changed. */
  interrupt(level: boolean): void;
}

export interface UartState {
  readonly ier: number;
  readonly lcr: number;
  readonly mcr: number;
  readonly scr: number;
  readonly divisor: number;
  readonly fifoEnabled: number;
  /** 1 while "transmitter empty" has not been read from IIR. */
  readonly thri: number;
  readonly received: readonly number[];
}

const RESET: UartState = { ier: 0, lcr: 0, mcr: 8, scr: 0, divisor: 12, fifoEnabled: 0, thri: 0, received: [] };

export class Uart implements Device<UartState> {
  private ier = 0;
  private lcr = 0;
  private mcr = 0;
  private scr = 0;
  private divisor = 0;
  private fifoEnabled = 0;
  private thri = 0;
  /** The FIFO (its first 16) and the backlog behind it. */
  private received: number[] = [];
  private level = false;

  constructor(private readonly ports: UartPorts) {
    this.reset();
  }

  /** Takes bytes from the host and returns how many: what exceeds the backlog is for the caller to keep or drop. */
  receive(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, MAX_BACKLOG - this.received.length);
    for (const byte of bytes.subarray(0, taken)) this.received.push(byte);
    this.updateInterrupt();
    return taken;
  }

  /** Takes up to `limit` received bytes without the registers: SBI console read. */
  takeReceived(limit: number): Uint8Array {
    const bytes = Uint8Array.from(this.received.splice(0, limit));
    this.updateInterrupt();
    return bytes;
  }

  read(offset: number): number {
    const value = this.readRegister(offset);
    this.updateInterrupt();
    return value;
  }

  write(offset: number, _size: number, value: number): void {
    this.writeRegister(offset, value & 0xff);
    this.updateInterrupt();
  }

  reset(): void {
    this.become(RESET);
  }

  save(): UartState {
    const { ier, lcr, mcr, scr, divisor, fifoEnabled, thri } = this;
    return { ier, lcr, mcr, scr, divisor, fifoEnabled, thri, received: [...this.received] };
  }

  restore(state: UartState): void {
    const bytes = { ier: 0x0f, lcr: 0xff, mcr: 0x1f, scr: 0xff, fifoEnabled: 1, thri: 1 };
    checkFields('uart', { ...state }, { ...bytes, divisor: 0xffff });
    checkList('uart', 'received', state.received, 0xff);
    this.become(state);
  }

  private become(state: UartState): void {
    Object.assign(this, state, { received: [...state.received] });
    this.updateInterrupt();
  }

  private readRegister(offset: number): number {
    const latched = (this.lcr & LCR_DLAB) !== 0;
    switch (offset) {
      case RBR_THR:
        return latched ? this.divisor & 0xff : (this.received.shift() ?? 0);
      case IER:
        return latched ? this.divisor >> 8 : this.ier;
      case IIR_FCR: {
        const cause = this.cause();
        if (cause === IIR_THRI) this.thri = 0; // reading the cause acknowledges it
        return cause | (this.fifoEnabled ? 0xc0 : 0);
      }
      case LCR:
        return this.lcr;
      case MCR:
        return this.mcr;
      case LSR:
        return LSR_TRANSMITTER_EMPTY | (this.received.length > 0 ? LSR_DATA_READY : 0);
      case MSR:
        return this.mcr & MCR_LOOP ? loopedBack(this.mcr) : MSR_CONNECTED;
      case SCR:
        return this.scr;
      default:
        return 0;
    }
  }

  private writeRegister(offset: number, value: number): void {
    const latched = (this.lcr & LCR_DLAB) !== 0;
    switch (offset) {
      case RBR_THR:
        if (latched) this.divisor = (this.divisor & 0xff00) | value;
        else this.transmit(value);
        break;
      case IER:
        if (latched) this.divisor = (this.divisor & 0xff) | (value << 8);
        else {
          if (value & ~this.ier & IER_THRI) this.thri = 1; // enabling it while the transmitter is empty raises it
          this.ier = value & 0x0f;
        }
        break;
      case IIR_FCR:
        this.fifoEnabled = value & FCR_ENABLE;
        if (value & FCR_CLEAR_RX) this.received.splice(0, FIFO_SIZE);
        break;
      case LCR:
        this.lcr = value;
        break;
      case MCR:
        this.mcr = value & 0x1f;
        break;
      case SCR:
        this.scr = value;
        break;
      default: // LSR and MSR are read-only
    }
  }

  private transmit(value: number): void {
    if (this.mcr & MCR_LOOP) this.received.push(value);
    else this.ports.transmit(value);
    this.thri = 1;
  }

  /** What IIR reports: received data before an empty transmitter (table 4 of the data sheet). */
  private cause(): number {
    if (this.ier & IER_RDI && this.received.length > 0) return IIR_RDI;
    if (this.ier & IER_THRI && this.thri) return IIR_THRI;
    return IIR_NONE;
  }

  private updateInterrupt(): void {
    const level = this.cause() !== IIR_NONE;
    if (level === this.level) return;
    this.level = level;
    this.ports.interrupt(level);
  }
}

/** In loop-back mode MCR's outputs are MSR's inputs: RTS is CTS, DTR is DSR, OUT1 is RI, OUT2 is DCD. */
function loopedBack(mcr: number): number {
  return ((mcr & 2) << 3) | ((mcr & 1) << 5) | ((mcr & 4) << 4) | ((mcr & 8) << 4);
}
