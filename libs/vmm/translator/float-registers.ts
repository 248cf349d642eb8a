/**
 * The f registers in translated code. They stay in the hart's block: what is written goes there at once, so that a region
 * can be left anywhere without more ado. Within a block of code, values are kept in locals as well, to be read again.
 */
import { H_F } from '../layout.js';
import { TYPE } from './float-conditions.js';
import type { FloatFormat } from './float-instruction.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

/** Ones above a single; without them it counts as a NaN. */
const BOX = -1n << 32n;
const UPPER_HALF = 4;

export class FloatRegisters {
  /** Of each format and register: a local. */
  private readonly locals = { s: new Map<number, number>(), d: new Map<number, number>() };
  /** Registers whose value in that format is in its local. */
  private readonly kept = { s: new Set<number>(), d: new Set<number>() };

  constructor(private readonly frame: Frame) {}

  /** Nothing is known of what the locals hold: other blocks may come before. */
  forget(): void {
    this.kept.s.clear();
    this.kept.d.clear();
  }

  /** The local with a register's value. Leaves the region if that is not a boxed single where one is wanted. */
  read(register: number, format: FloatFormat, place: Place): number {
    const local = this.local(register, format);
    if (this.kept[format].has(register)) return local;
    const { code, hart } = this.frame;
    if (format === 's') {
      this.frame.leaveIf(place, EXIT_INTERPRET, () => {
        code
          .get(hart)
          .memory('i32.load', offsetOf(register) + UPPER_HALF)
          .i32(-1)
          .op('i32.ne');
      });
    }
    code.get(hart).memory(`${TYPE[format]}.load`, offsetOf(register)).set(local);
    this.kept[format].add(register);
    return local;
  }

  /** Pops a register's new value. */
  write(register: number, format: FloatFormat): void {
    const { code, hart } = this.frame;
    const local = this.local(register, format);
    code.set(local).get(hart).get(local);
    if (format === 'd') code.memory('f64.store', offsetOf(register));
    else
      code.op('i32.reinterpret_f32', 'i64.extend_i32_u').i64(BOX).op('i64.or').memory('i64.store', offsetOf(register));
    this.kept.s.delete(register);
    this.kept.d.delete(register);
    this.kept[format].add(register);
  }

  /** Pushes all 64 bits of a register as i64. */
  pushBits(register: number): void {
    this.frame.code.get(this.frame.hart).memory('i64.load', offsetOf(register));
  }

  private local(register: number, format: FloatFormat): number {
    const known = this.locals[format].get(register);
    if (known !== undefined) return known;
    const local = this.frame.code.local(TYPE[format]);
    this.locals[format].set(register, local);
    return local;
  }
}

const offsetOf = (register: number) => H_F + 8 * register;
