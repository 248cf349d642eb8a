/** Code for conversions between numbers and integers, and between the formats. */
import {
  TYPE,
  pushCanonicalNan,
  pushIsFinite,
  pushIsNan,
  pushIsNormalOrMore,
  pushIsNotFinite,
  pushIsNotZero,
  pushIsTiny,
} from './float-conditions.js';
import type { FloatAction, FloatFormat, IntegerKind, ToWhole } from './float-instruction.js';
import type { FloatMode } from './float-mode.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

type Of<Kind extends FloatAction['kind']> = Extract<FloatAction, { kind: Kind }>;

const INTEGER_TYPE = { w: 'i32_s', wu: 'i32_u', l: 'i64_s', lu: 'i64_u' } as const;
/** What a number too small or too large becomes (Unprivileged spec, table "Domains of float-to-integer conversions"). */
const ENDS: Record<IntegerKind, readonly [least: bigint, most: bigint]> = {
  w: [-(2n ** 31n), 2n ** 31n - 1n],
  wu: [0n, -1n],
  l: [-(2n ** 63n), 2n ** 63n - 1n],
  lu: [0n, -1n],
};
/** From here on, a kind has no integer. The lowest of a signed one is left to the interpreter as well. */
const LIMIT: Record<IntegerKind, number> = { w: 2 ** 31, wu: 2 ** 32, l: 2 ** 63, lu: 2 ** 64 };

/** FCVT.D.S: pushes the single of a local as a double, or leaves the region. */
export function pushWidened(frame: Frame, mode: FloatMode, from: number, place: Place): void {
  const { code } = frame;
  const result = frame.scratch('widened', 'f64');
  code.get(from).op('f64.promote_f32').set(result);
  pushIsNan(code, from, 's');
  const nan = code.if();
  mode.leaveUnlessInvalid(place);
  pushCanonicalNan(code, 'd');
  code.set(result).end(nan).get(result);
}

/** FCVT.S.D: pushes the double of a local as a single, or leaves the region. */
export function pushNarrowed(frame: Frame, mode: FloatMode, from: number, place: Place): void {
  const { code } = frame;
  const result = frame.scratch('result', 'f32');
  code.get(from).op('f32.demote_f64').set(result);
  pushIsNan(code, from, 'd');
  const nan = code.if();
  mode.leaveUnlessInvalid(place);
  pushCanonicalNan(code, 's');
  code.set(result).else();
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    pushIsTiny(code, result, 's');
    pushIsNotZero(code, from, 'd');
    code.op('i32.and');
    pushIsNotFinite(code, result, 's');
    pushIsFinite(code, from, 'd'); // it overflowed
    code.op('i32.and', 'i32.or');
  });
  code.end(nan);
  mode.leaveIfInexact(place, () => code.get(result).op('f64.promote_f32').get(from).op('f64.ne'));
  code.get(result);
}

/** Pushes the integer (i64) for a number, which is a double in a local, or leaves the region. */
export function pushToInteger(
  frame: Frame,
  mode: FloatMode,
  from: number,
  { toWhole, integer }: Of<'floatToInteger'>,
  place: Place,
): void {
  const { code } = frame;
  const whole = frame.scratch('whole', 'f64');
  pushWhole(frame, from, toWhole);
  code.set(whole);
  mode.leaveIfInexact(place, () => code.get(whole).get(from).op('f64.ne'));
  const isUnsigned = integer === 'wu' || integer === 'lu';
  code
    .get(whole)
    .f64(isUnsigned ? -1 : -LIMIT[integer])
    .op('f64.gt');
  code.get(whole).f64(LIMIT[integer]).op('f64.lt', 'i32.and');
  const fits = code.if('i64');
  code.get(whole).op(integer === 'lu' ? 'i64.trunc_f64_u' : 'i64.trunc_f64_s');
  if (integer === 'wu') code.op('i64.extend32_s');
  code.else();
  mode.leaveUnlessInvalid(place);
  const [least, most] = ENDS[integer];
  code.i64(least).i64(most).get(whole).f64(0).op('f64.lt', 'select').end(fits); // NaNs become the most
}

function pushWhole(frame: Frame, from: number, toWhole: ToWhole): void {
  const { code } = frame;
  if (toWhole !== 'awayFromZero') {
    code.get(from).op(`f64.${toWhole}`);
    return;
  }
  const towardsZero = frame.scratch('towards zero', 'f64');
  code.get(from).op('f64.trunc').tee(towardsZero).f64(1).f64(0);
  code.get(from).get(towardsZero).op('f64.sub', 'f64.abs').f64(0.5).op('f64.ge', 'select');
  code.get(from).op('f64.copysign', 'f64.add');
}

/** True if every integer of the kind is a number of the format. */
export const holdsAll = (integer: IntegerKind, format: FloatFormat) => format === 'd' && integer.startsWith('w');

/** Pushes the number for the integer (i64) of an x register, or leaves the region. */
export function pushFromInteger(frame: Frame, mode: FloatMode, action: Of<'floatFromInteger'>, place: Place): void {
  const { code } = frame;
  const { rs1, integer, format, mustBeExact } = action;
  const pushIsInexact = () => pushHasMoreDigits(frame, action);
  if (holdsAll(integer, format)) {
    // any way of rounding will do
  } else if (mustBeExact) {
    frame.leaveIf(place, EXIT_INTERPRET, pushIsInexact);
  } else {
    mode.leaveIfInexact(place, pushIsInexact);
  }
  frame.get(rs1);
  if (integer === 'w' || integer === 'wu') code.op('i32.wrap_i64');
  code.op(`${TYPE[format]}.convert_${INTEGER_TYPE[integer]}`);
}

/** Integers up to 2 to the precision are numbers. Of a word's register, the upper half counts here as well. */
function pushHasMoreDigits(frame: Frame, { rs1, integer, format }: Of<'floatFromInteger'>): void {
  const limit = 1n << (format === 's' ? 24n : 53n);
  const offset = integer === 'wu' || integer === 'lu' ? 0n : limit;
  frame.get(rs1);
  frame.code
    .i64(offset)
    .op('i64.add')
    .i64(limit + offset)
    .op('i64.gt_u');
}

/** Pushes one bit (i64) for the class of a number, as FCLASS does, or leaves the region if it is a NaN. */
export function pushClass(frame: Frame, from: number, format: FloatFormat, place: Place): void {
  const { code } = frame;
  const [magnitude, size] = [frame.scratch('magnitude', TYPE[format]), frame.scratch('size', 'i32')];
  frame.leaveIf(place, EXIT_INTERPRET, () => pushIsNan(code, from, format));
  // 0 for zeros, 1 subnormal, 2 normal, 3 infinite
  code.get(from).op(`${TYPE[format]}.abs`).set(magnitude);
  pushIsNotZero(code, magnitude, format);
  pushIsNormalOrMore(code, magnitude, format);
  pushIsNotFinite(code, magnitude, format);
  code.op('i32.add', 'i32.add').set(size);
  code.i64(1).i32(3).get(size).op('i32.sub').i32(4).get(size).op('i32.add');
  if (format === 's') code.get(from).op('i32.reinterpret_f32').i32(0).op('i32.lt_s');
  else code.get(from).op('i64.reinterpret_f64').i64(0).op('i64.lt_s');
  code.op('select', 'i64.extend_i32_u', 'i64.shl');
}
