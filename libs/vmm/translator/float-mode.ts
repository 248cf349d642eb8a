/**
 * What of fcsr and mstatus translated code depends on. It is found out when a region is entered, and again where the
 * region itself writes fcsr; all else is changed by the interpreter alone.
 */
import { FCSR, MSTATUS } from '../cpu/slots.js';
import { H_CSR } from '../layout.js';
import type { FloatAction } from './float-instruction.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

type CsrAccess = Extract<FloatAction, { kind: 'floatCsr' }>;

/** mstatus.FS: all of it set means Dirty, so f registers may be written without a look at it. */
const FS = 0x6000;
const FRM = 0xe0;
const NX = 1;
const NV = 16;

/** `on`: f registers may be used. `nearest`: what frm decides is rounded to nearest, too. */
export type Wanted = 'on' | 'nearest';

export class FloatMode {
  private readonly is: Readonly<Record<Wanted, number>>;
  /** i32 local: not zero if NX is set, so that nobody sees one more inexact result. */
  private readonly inexactIsKnown: number;
  /** The same of NV and invalid operations. */
  private readonly invalidIsKnown: number;
  private checked: Wanted | undefined;

  /** Writes code for the beginning of the region. */
  constructor(private readonly frame: Frame) {
    const { code, hart } = frame;
    this.is = { on: code.local('i32'), nearest: code.local('i32') };
    this.inexactIsKnown = code.local('i32');
    this.invalidIsKnown = code.local('i32');
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
    code.set(this.is.nearest);
    this.noteFlags(fcsr);
  }

  private noteFlags(fcsr: number): void {
    const { code } = this.frame;
    code.get(fcsr).i32(NX).op('i32.and').set(this.inexactIsKnown);
    code.get(fcsr).i32(NV).op('i32.and').set(this.invalidIsKnown);
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

  /** CSRRW, CSRRS or CSRRC. FS is Dirty already. */
  access({ operation, shift, mask, rd, rs1, bits }: CsrAccess): void {
    const { code, hart } = this.frame;
    const [before, after] = [this.frame.scratch('fcsr', 'i32'), this.frame.scratch('fcsr after', 'i32')];
    const field = mask << shift;
    code
      .get(hart)
      .memory('i32.load', H_CSR + 8 * FCSR)
      .set(before);
    if (rs1) {
      this.frame.get(rs1);
      code.op('i32.wrap_i64').i32(shift).op('i32.shl').i32(field).op('i32.and');
    } else {
      code.i32((bits << shift) & field);
    }
    if (operation === 'write') code.get(before).i32(~field).op('i32.and', 'i32.or');
    else if (operation === 'set') code.get(before).op('i32.or');
    else code.i32(-1).op('i32.xor').get(before).op('i32.and');
    code.set(after); // rd may be rs1
    if (rd) {
      code.get(before).i32(shift).op('i32.shr_u').i32(mask).op('i32.and', 'i64.extend_i32_u');
      this.frame.set(rd);
    }
    if (operation !== 'write' && !rs1 && !bits) return; // it only reads
    code
      .get(hart)
      .get(after)
      .op('i64.extend_i32_u')
      .memory('i64.store', H_CSR + 8 * FCSR);
    code.get(after).i32(FRM).op('i32.and', 'i32.eqz').set(this.is.nearest);
    this.noteFlags(after);
    this.checked = 'on';
  }

  /** Leaves the region unless NV is set: what was invalid leaves no further trace then. */
  leaveUnlessInvalid(place: Place): void {
    this.frame.leaveIf(place, EXIT_INTERPRET, () => this.frame.code.get(this.invalidIsKnown).op('i32.eqz'));
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
