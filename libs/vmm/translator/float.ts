/**
 * Code for instructions of F and D. It does what cpu/float-arithmetic calls the host's way: where nothing can be told
 * from the exact result, since it is to nearest, NX is set already, and the result neither overflowed nor may have
 * underflowed. Otherwise the region is left before the instruction, which the interpreter then executes.
 */
import { FCSR, MSTATUS } from '../cpu/slots.js';
import { H_CSR, H_TLB_READ, H_TLB_WRITE } from '../layout.js';
import { pushHostAddress } from './access.js';
import { TYPE, pushIsNan, pushIsNotFinite, pushIsNotZero, pushIsTiny } from './float-conditions.js';
import { convertInteger, pushConverted, pushToInteger } from './float-convert.js';
import { pushFusedDoubles, pushFusedSingles } from './float-fused.js';
import type { FloatAction } from './float-instruction.js';
import { FloatRegisters } from './float-registers.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

type Of<Kind extends FloatAction['kind']> = Extract<FloatAction, { kind: Kind }>;

/** mstatus.FS: all of it set means Dirty, so f registers may be written without a look at it. */
const FS = 0x6000;
/** frm and NX in fcsr, and how they must be for the host to compute. */
const FRM_AND_NX = 0xe1;
const NEAREST_AND_NX = 0x01;

export class FloatCode {
  private readonly registers: FloatRegisters;
  /** i32 locals: f registers may be used; the host may compute, too. While the region is not left, that stays so. */
  private readonly isOn: number;
  private readonly isHosts: number;
  private checked: 'nothing' | 'isOn' | 'isHosts' = 'nothing';

  /** Writes code for the beginning of the region. */
  constructor(private readonly frame: Frame) {
    const { code, hart } = frame;
    this.registers = new FloatRegisters(frame);
    [this.isOn, this.isHosts] = [code.local('i32'), code.local('i32')];
    code
      .get(hart)
      .memory('i32.load', H_CSR + 8 * MSTATUS)
      .i32(FS)
      .op('i32.and')
      .i32(FS)
      .op('i32.eq')
      .tee(this.isOn);
    code
      .get(hart)
      .memory('i32.load', H_CSR + 8 * FCSR)
      .i32(FRM_AND_NX)
      .op('i32.and')
      .i32(NEAREST_AND_NX)
      .op('i32.eq');
    code.op('i32.and').set(this.isHosts);
  }

  beginBlock(): void {
    this.registers.forget();
    this.checked = 'nothing';
  }

  instruction(action: FloatAction, place: Place): void {
    this.check(isExact(action) ? 'isOn' : 'isHosts', place);
    const { frame, registers } = this;
    switch (action.kind) {
      case 'floatLoad':
        pushHostAddress(frame, H_TLB_READ, action.rs1, action.immediate, action.format === 's' ? 4 : 8, place);
        frame.code.memory(`${TYPE[action.format]}.load`);
        break;
      case 'floatStore':
        pushHostAddress(frame, H_TLB_WRITE, action.rs1, action.immediate, action.format === 's' ? 4 : 8, place);
        registers.pushBits(action.fs2);
        frame.code.memory(action.format === 's' ? 'i64.store32' : 'i64.store');
        return;
      case 'floatCompute':
        this.compute(action, place);
        break;
      case 'floatRoot':
        this.root(action, place);
        break;
      case 'floatFused':
        this.fused(action, place);
        break;
      case 'floatSign':
        this.sign(action, place);
        break;
      case 'floatCompare':
        this.compare(action, place);
        return frame.set(action.rd);
      case 'floatConvert':
        pushConverted(
          frame,
          registers.read(action.fs1, action.format === 's' ? 'd' : 's', place),
          action.format,
          place,
        );
        break;
      case 'floatToInteger': {
        const { format, toWhole, integer } = action;
        pushToInteger(frame, registers.read(action.fs1, format, place), format, toWhole, integer, place);
        return frame.set(action.rd);
      }
      case 'floatFromInteger':
        frame.get(action.rs1);
        convertInteger(frame, action.integer, action.format);
        break;
      case 'floatToX':
        registers.pushBits(action.fs1);
        if (action.format === 's') frame.code.op('i64.extend32_s');
        return frame.set(action.rd);
      case 'floatFromX':
        frame.get(action.rs1);
        if (action.format === 's') frame.code.op('i32.wrap_i64', 'f32.reinterpret_i32');
        else frame.code.op('f64.reinterpret_i64');
        break;
    }
    registers.write(action.fd, action.format);
  }

  /** Once in a block of code is enough: it has no other way in. */
  private check(wanted: 'isOn' | 'isHosts', place: Place): void {
    if (this.checked === 'isHosts' || this.checked === wanted) return;
    this.leaveIf(place, () => this.frame.code.get(this[wanted]).op('i32.eqz'));
    this.checked = wanted;
  }

  private compute({ operation, format, fs1, fs2 }: Of<'floatCompute'>, place: Place): void {
    const { code } = this.frame;
    const result = this.frame.scratch('result', TYPE[format]);
    const [a, b] = [this.registers.read(fs1, format, place), this.registers.read(fs2, format, place)];
    code.get(a).get(b).op(`${TYPE[format]}.${operation}`).set(result);
    this.leaveIf(place, () => {
      if (operation === 'min' || operation === 'max') return pushIsNan(code, result, format);
      pushIsNotFinite(code, result, format);
      if (operation === 'add' || operation === 'sub') return; // tiny sums are exact
      pushIsTiny(code, result, format);
      pushIsNotZero(code, a, format); // zero times or by something is exact
      if (operation === 'mul') {
        pushIsNotZero(code, b, format);
        code.op('i32.and');
      }
      code.op('i32.and', 'i32.or');
    });
    code.get(result);
  }

  private root({ format, fs1 }: Of<'floatRoot'>, place: Place): void {
    const { code } = this.frame;
    const result = this.frame.scratch('result', TYPE[format]);
    code
      .get(this.registers.read(fs1, format, place))
      .op(`${TYPE[format]}.sqrt`)
      .set(result);
    this.leaveIf(place, () => pushIsNotFinite(code, result, format)); // roots are never tiny
    code.get(result);
  }

  private fused({ format, fs1, fs2, fs3, negateProduct, negateAddend }: Of<'floatFused'>, place: Place): void {
    const { code } = this.frame;
    const operand = (name: string, register: number, isNegated: boolean) => {
      const local = this.registers.read(register, format, place);
      if (format === 'd' && !isNegated) return local;
      const copy = this.frame.scratch(name, 'f64');
      code.get(local);
      if (format === 's') code.op('f64.promote_f32');
      if (isNegated) code.op('f64.neg');
      code.set(copy);
      return copy;
    };
    const push = format === 's' ? pushFusedSingles : pushFusedDoubles;
    const [a, b] = [operand('factor', fs1, negateProduct), operand('other factor', fs2, false)];
    push(this.frame, a, b, operand('addend', fs3, negateAddend), place);
  }

  private sign({ operation, format, fs1, fs2 }: Of<'floatSign'>, place: Place): void {
    const { code } = this.frame;
    const type = TYPE[format];
    const [a, b] = [this.registers.read(fs1, format, place), this.registers.read(fs2, format, place)];
    if (operation === 'copy') {
      code.get(a);
      if (a !== b) code.get(b).op(`${type}.copysign`);
    } else if (operation === 'negate') {
      code.get(a).get(b).op(`${type}.neg`, `${type}.copysign`);
    } else if (format === 's') {
      code.get(a).op('i32.reinterpret_f32').get(b).op('i32.reinterpret_f32');
      code.i32(-(2 ** 31)).op('i32.and', 'i32.xor', 'f32.reinterpret_i32');
    } else {
      code.get(a).op('i64.reinterpret_f64').get(b).op('i64.reinterpret_f64');
      code.i64(-(2n ** 63n)).op('i64.and', 'i64.xor', 'f64.reinterpret_i64');
    }
  }

  private compare({ condition, format, fs1, fs2 }: Of<'floatCompare'>, place: Place): void {
    const { code } = this.frame;
    const [a, b] = [this.registers.read(fs1, format, place), this.registers.read(fs2, format, place)];
    this.leaveIf(place, () => {
      pushIsNan(code, a, format);
      pushIsNan(code, b, format);
      code.op('i32.or');
    });
    code.get(a).get(b).op(`${TYPE[format]}.${condition}`, 'i64.extend_i32_u');
  }

  private leaveIf(place: Place, pushCondition: () => void): void {
    this.frame.leaveIf(place, EXIT_INTERPRET, pushCondition);
  }
}

/** True for what never rounds: it only needs f registers that may be used. */
function isExact(action: FloatAction): boolean {
  switch (action.kind) {
    case 'floatLoad':
    case 'floatStore':
    case 'floatSign':
    case 'floatCompare':
    case 'floatToX':
    case 'floatFromX':
      return true;
    case 'floatCompute':
      return action.operation === 'min' || action.operation === 'max';
    case 'floatConvert':
      return action.format === 'd';
    case 'floatFromInteger':
      return action.format === 'd' && (action.integer === 'w' || action.integer === 'wu');
    default:
      return false;
  }
}
