/**
 * Code for instructions of F and D. It does what cpu/float-arithmetic calls the host's way: where nothing of it can be
 * told from the exact way. Otherwise the region is left before the instruction, which the interpreter then executes.
 */
import { H_TLB_READ, H_TLB_WRITE } from '../layout.js';
import { pushHostAddress } from './access.js';
import { TYPE, pushIsFinite, pushIsNan, pushIsNotZero, pushIsTiny } from './float-conditions.js';
import { holdsAll, pushClass, pushFromInteger, pushNarrowed, pushToInteger, pushWidened } from './float-convert.js';
import { pushFusedByHost, pushFusedFromRests, pushFusedSingles } from './float-fused.js';
import type { FloatAction, FloatFormat } from './float-instruction.js';
import { FloatMode } from './float-mode.js';
import { FloatRegisters } from './float-registers.js';
import { pushIsNotProduct, pushIsNotProductOfSingles, pushRestOfSum } from './float-rest.js';
import { leaveIfNan, settleSpecial } from './float-special.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

type Of<Kind extends FloatAction['kind']> = Extract<FloatAction, { kind: Kind }>;

export class FloatCode {
  private readonly registers: FloatRegisters;
  private readonly mode: FloatMode;

  /** Writes code for the beginning of the region. `fuses`: as of hostFuses. */
  constructor(
    private readonly frame: Frame,
    private readonly fuses: boolean,
  ) {
    this.registers = new FloatRegisters(frame);
    this.mode = new FloatMode(frame);
  }

  beginBlock(): void {
    this.registers.forget();
    this.mode.beginBlock();
  }

  instruction(action: FloatAction, place: Place): void {
    const { frame, mode, registers } = this;
    mode.need(roundsByItself(action) ? 'on' : 'nearest', place);
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
        if (action.format === 'd') pushWidened(frame, mode, registers.read(action.fs1, 's', place), place);
        else pushNarrowed(frame, mode, registers.read(action.fs1, 'd', place), place);
        break;
      case 'floatToInteger':
        pushToInteger(frame, mode, this.asDouble('number', action.fs1, action.format, place), action, place);
        return frame.set(action.rd);
      case 'floatFromInteger':
        pushFromInteger(frame, mode, action, place);
        break;
      case 'floatClass':
        pushClass(frame, registers.read(action.fs1, action.format, place), action.format, place);
        return frame.set(action.rd);
      case 'floatToX':
        registers.pushBits(action.fs1);
        if (action.format === 's') frame.code.op('i64.extend32_s');
        return frame.set(action.rd);
      case 'floatFromX':
        frame.get(action.rs1);
        if (action.format === 's') frame.code.op('i32.wrap_i64', 'f32.reinterpret_i32');
        else frame.code.op('f64.reinterpret_i64');
        break;
      case 'floatCsr':
        return mode.access(action);
    }
    registers.write(action.fd, action.format);
  }

  private compute({ operation, format, fs1, fs2 }: Of<'floatCompute'>, place: Place): void {
    const { code } = this.frame;
    const result = this.frame.scratch('result', TYPE[format]);
    const [a, b] = [this.registers.read(fs1, format, place), this.registers.read(fs2, format, place)];
    code.get(a).get(b).op(`${TYPE[format]}.${operation}`).set(result);
    if (operation === 'min' || operation === 'max') {
      this.leaveIf(place, () => pushIsNan(code, result, format));
    } else {
      settleSpecial(this.frame, this.mode, result, [a, b], format, place);
    }
    if (operation === 'mul' || operation === 'div') {
      this.leaveIf(place, () => {
        pushIsTiny(code, result, format); // tiny sums are exact
        pushIsNotZero(code, a, format); // zero times or by something is exact
        code.op('i32.and');
        if (operation === 'mul') pushIsNotZero(code, b, format);
        else pushIsFinite(code, b, format); // as is something by infinity
        code.op('i32.and');
      });
    }
    if (operation === 'mul') this.leaveIfNotProduct(a, b, result, format, place);
    else if (operation === 'div') this.leaveIfNotProduct(result, b, a, format, place);
    else if (operation === 'add' || operation === 'sub') this.leaveIfNotSum(a, b, result, operation, format, place);
    code.get(result);
  }

  private root({ format, fs1 }: Of<'floatRoot'>, place: Place): void {
    const { code } = this.frame;
    const result = this.frame.scratch('result', TYPE[format]);
    const square = this.registers.read(fs1, format, place);
    code.get(square).op(`${TYPE[format]}.sqrt`).set(result);
    settleSpecial(this.frame, this.mode, result, [square], format, place); // roots are never tiny
    this.leaveIfNotProduct(result, result, square, format, place);
    code.get(result);
  }

  private leaveIfNotSum(
    a: number,
    b: number,
    sum: number,
    operation: 'add' | 'sub',
    format: FloatFormat,
    place: Place,
  ) {
    const { code } = this.frame;
    const type = TYPE[format];
    this.mode.leaveIfInexact(place, () => {
      const addend = operation === 'add' ? b : this.frame.scratch('addend', type);
      if (operation === 'sub') code.get(b).op(`${type}.neg`).set(addend);
      pushRestOfSum(this.frame, a, addend, sum, type);
      if (format === 's') code.op('f64.promote_f32');
      code.f64(0).op('f64.ne');
    });
  }

  private leaveIfNotProduct(x: number, y: number, product: number, format: FloatFormat, place: Place): void {
    const push = format === 's' ? pushIsNotProductOfSingles : pushIsNotProduct;
    this.mode.leaveIfInexact(place, () => push(this.frame, x, y, product));
  }

  private fused({ format, fs1, fs2, fs3, negateProduct, negateAddend }: Of<'floatFused'>, place: Place): void {
    const a = this.asDouble('factor', fs1, format, place, negateProduct);
    const b = this.asDouble('other factor', fs2, format, place);
    const c = this.asDouble('addend', fs3, format, place, negateAddend);
    const push = format === 's' ? pushFusedSingles : this.fuses ? pushFusedByHost : pushFusedFromRests;
    push(this.frame, this.mode, [a, b, c], place);
  }

  /** A local with a register's value, as a double and perhaps negated; its name if it is not the register's own. */
  private asDouble(name: string, register: number, format: FloatFormat, place: Place, isNegated = false): number {
    const { code } = this.frame;
    const local = this.registers.read(register, format, place);
    if (format === 'd' && !isNegated) return local;
    const copy = this.frame.scratch(name, 'f64');
    code.get(local);
    if (format === 's') code.op('f64.promote_f32');
    if (isNegated) code.op('f64.neg');
    code.set(copy);
    return copy;
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
    leaveIfNan(this.frame, this.mode, [a, b], format, place);
    code.get(a).get(b).op(`${TYPE[format]}.${condition}`, 'i64.extend_i32_u');
  }

  private leaveIf(place: Place, pushCondition: () => void): void {
    this.frame.leaveIf(place, EXIT_INTERPRET, pushCondition);
  }
}

/** Of such instructions, frm decides neither how they round nor whether they are legal. */
function roundsByItself(action: FloatAction): boolean {
  switch (action.kind) {
    case 'floatLoad':
    case 'floatStore':
    case 'floatSign':
    case 'floatCompare':
    case 'floatClass':
    case 'floatToX':
    case 'floatFromX':
    case 'floatCsr':
      return true;
    case 'floatCompute':
      return action.operation === 'min' || action.operation === 'max';
    case 'floatConvert':
      return action.format === 'd' && !action.isDynamic;
    case 'floatToInteger':
      return !action.isDynamic;
    case 'floatFromInteger':
      return action.mustBeExact || (holdsAll(action.integer, action.format) && !action.isDynamic);
    default:
      return false;
  }
}
