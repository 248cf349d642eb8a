/** Code for conversions between numbers and integers, and between the formats. */
import { TYPE, pushIsNotFinite, pushIsNotZero, pushIsTiny } from './float-conditions.js';
import type { FloatFormat, IntegerKind, ToWhole } from './float-instruction.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

const INTEGER_TYPE = { w: 'i32_s', wu: 'i32_u', l: 'i64_s', lu: 'i64_u' } as const;
/** From here on, a kind has no integer. The lowest of a signed one is left to the interpreter as well. */
const LIMIT: Record<IntegerKind, number> = { w: 2 ** 31, wu: 2 ** 32, l: 2 ** 63, lu: 2 ** 64 };

/** Pushes the number of a local, of the other format, in `format`. */
export function pushConverted(frame: Frame, from: number, format: FloatFormat, place: Place): void {
  const { code } = frame;
  const result = frame.scratch('result', TYPE[format]);
  code
    .get(from)
    .op(format === 's' ? 'f32.demote_f64' : 'f64.promote_f32')
    .set(result);
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    if (format === 's') {
      pushIsTiny(code, result, 's');
      pushIsNotZero(code, from, 'd');
      code.op('i32.and');
    }
    pushIsNotFinite(code, result, format);
    if (format === 's') code.op('i32.or');
  });
  code.get(result);
}

/** Pushes the integer (i64) for the number of a local. */
export function pushToInteger(
  frame: Frame,
  from: number,
  format: FloatFormat,
  toWhole: ToWhole,
  integer: IntegerKind,
  place: Place,
): void {
  const { code } = frame;
  const whole = frame.scratch('whole', 'f64');
  code.get(from);
  if (format === 's') code.op('f64.promote_f32');
  code.op(`f64.${toWhole}`).set(whole);
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    const isUnsigned = integer === 'wu' || integer === 'lu';
    code
      .get(whole)
      .f64(isUnsigned ? -1 : -LIMIT[integer])
      .op('f64.gt');
    code.get(whole).f64(LIMIT[integer]).op('f64.lt', 'i32.and', 'i32.eqz');
  });
  code.get(whole).op(integer === 'lu' ? 'i64.trunc_f64_u' : 'i64.trunc_f64_s');
  if (integer === 'wu') code.op('i64.extend32_s');
}

/** Replaces the integer (i64) on the stack by the number. */
export function convertInteger({ code }: Frame, integer: IntegerKind, format: FloatFormat): void {
  if (integer === 'w' || integer === 'wu') code.op('i32.wrap_i64');
  code.op(`${TYPE[format]}.convert_${INTEGER_TYPE[integer]}`);
}
