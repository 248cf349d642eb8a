/**
 * What of fcsr and mstatus translated code depends on. It is found out when a region is entered, and stays as it is while
 * the region is not left, since only the interpreter changes it.
 */
import { FCSR, MSTATUS } from '../cpu/slots.js';
import { H_CSR } from '../layout.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

/** mstatus.FS: all of it set means Dirty, so f registers may be written without a look at it. */
const FS = 0x6000;
const FRM = 0xe0;
const NX = 1;

/** `on`: f registers may be used. `nearest`: what frm decides is rounded to nearest, too. */
export type Wanted = 'on' | 'nearest';

export class FloatMode {
  private readonly is: Readonly<Record<Wanted, number>>;
  /** i32 local: not zero if NX is set, so that nobody sees one more inexact result. */
  private readonly inexactIsKnown: number;
  private checked: Wanted | undefined;

  /** Writes code for the beginning of the region. */
  constructor(private readonly frame: Frame) {
    const { code, hart } = frame;
    this.is = { on: code.local('i32'), nearest: code.local('i32') };
    this.inexactIsKnown = code.local('i32');
    const fcsr = frame.scratch('fcsr', 'i32');
    code
      .get(hart)
      .memory('i32.load', H_CSR + 8 * MSTATUS)
      .i32(FS)
      .op('i32.and')
      .i32(FS)
      .op('i32.eq')
      .tee(this.is.on);
    code
      .get(hart)
      .memory('i32.load', H_CSR + 8 * FCSR)
      .tee(fcsr)
      .i32(FRM)
      .op('i32.and', 'i32.eqz', 'i32.and');
    code.set(this.is.nearest).get(fcsr).i32(NX).op('i32.and').set(this.inexactIsKnown);
  }

  beginBlock(): void {
    this.checked = undefined;
  }

  /** Leaves the region if it is not as wanted. Once in a block of code is enough: it has no other way in. */
  need(wanted: Wanted, place: Place): void {
    if (this.checked === 'nearest' || this.checked === wanted) return;
    this.frame.leaveIf(place, EXIT_INTERPRET, () => this.frame.code.get(this.is[wanted]).op('i32.eqz'));
    this.checked = wanted;
  }

  /** Leaves the region if NX is not set and `pushIsInexact` pushes an i32 that is not zero. */
  leaveIfInexact(place: Place, pushIsInexact: () => void): void {
    const { code } = this.frame;
    code.get(this.inexactIsKnown).op('i32.eqz');
    const label = code.if();
    this.frame.leaveIf(place, EXIT_INTERPRET, pushIsInexact);
    code.end(label);
  }
}
