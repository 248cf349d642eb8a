/** Code for conversions between numbers and integers, and between the formats. */
import { TYPE, pushIsNan, pushIsNotFinite, pushIsNotZero, pushIsTiny } from './float-conditions.js';
import type { FloatFormat, IntegerKind, ToWhole } from './float-instruction.js';
import type { FloatMode } from './float-mode.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

const INTEGER_TYPE = { w: 'i32_s', wu: 'i32_u', l: 'i64_s', lu: 'i64_u' } as const;
/** From here on, a kind has no integer. The lowest of a signed one is left to the interpreter as well. */
const LIMIT: Record<IntegerKind, number> = { w: 2 ** 31, wu: 2 ** 32, l: 2 ** 63, lu: 2 ** 64 };

/** FCVT.D.S: pushes the single of a local as a double, or leaves the region. */
export function pushWidened(frame: Frame, from: number, place: Place): void {
  const { code } = frame;
  frame.leaveIf(place, EXIT_INTERPRET, () => pushIsNan(code, from, 's'));
  code.get(from).op('f64.promote_f32');
}

/** FCVT.S.D: pushes the double of a local as a single, or leaves the region. */
export function pushNarrowed(frame: Frame, mode: FloatMode, from: number, place: Place): void {
  const { code } = frame;
  const result = frame.scratch('result', 'f32');
  code.get(from).op('f32.demote_f64').set(result);
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    pushIsTiny(code, result, 's');
    pushIsNotZero(code, from, 'd');
    code.op('i32.and');
    pushIsNotFinite(code, result, 's');
    code.op('i32.or');
  });
  mode.leaveIfInexact(place, () => code.get(result).op('f64.promote_f32').get(from).op('f64.ne'));
  code.get(result);
}

/** Pushes the integer (i64) for a number, which is a double in a local, or leaves the region. */
export function pushToInteger(
  frame: Frame,
  mode: FloatMode,
  from: number,
  { toWhole, integer }: { readonly toWhole: ToWhole; readonly integer: IntegerKind },
  place: Place,
): void {
  const { code } = frame;
  const whole = frame.scratch('whole', 'f64');
  code.get(from).op(`f64.${toWhole}`).set(whole);
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    const isUnsigned = integer === 'wu' || integer === 'lu';
    code
      .get(whole)
      .f64(isUnsigned ? -1 : -LIMIT[integer])
      .op('f64.gt');
    code.get(whole).f64(LIMIT[integer]).op('f64.lt', 'i32.and', 'i32.eqz');
  });
  mode.leaveIfInexact(place, () => code.get(whole).get(from).op('f64.ne'));
  code.get(whole).op(integer === 'lu' ? 'i64.trunc_f64_u' : 'i64.trunc_f64_s');
  if (integer === 'wu') code.op('i64.extend32_s');
}

/** True if every integer of the kind is a number of the format. */
export const holdsAll = (integer: IntegerKind, format: FloatFormat) => format === 'd' && integer.startsWith('w');

/** Pushes the number for the integer (i64) of an x register, or leaves the region. */
export function pushFromInteger(
  frame: Frame,
  mode: FloatMode,
  { rs1, integer, format }: { readonly rs1: number; readonly integer: IntegerKind; readonly format: FloatFormat },
  place: Place,
): void {
  const { code } = frame;
  if (!holdsAll(integer, format)) {
    mode.leaveIfInexact(place, () => {
      // Integers up to 2 to the precision are numbers. Of a word's register, the upper half counts here as well.
      const precision = format === 's' ? 24n : 53n;
      const offset = integer === 'wu' || integer === 'lu' ? 0n : 1n << precision;
      frame.get(rs1);
      code
        .i64(offset)
        .op('i64.add')
        .i64((1n << precision) + offset)
        .op('i64.gt_u');
    });
  }
  frame.get(rs1);
  if (integer === 'w' || integer === 'wu') code.op('i32.wrap_i64');
  code.op(`${TYPE[format]}.convert_${INTEGER_TYPE[integer]}`);
}
