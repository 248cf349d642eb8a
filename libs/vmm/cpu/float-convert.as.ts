/** Conversions of F and D: between the two formats, to integers and from them. Bits in, bits out. */
import { NV, NX, RDN, RMM, RNE, RTZ, RUP, accrue, inexactIsKnown } from './fcsr.as';
import {
  LEADING, canonicalNan, exponent, fractionBits, fromBits, isInfinite, isNan, isOrdinary, isZero, nanOf, round,
  shiftAndStick, sign, significand, signBit, infinity, toBits,
} from './float-format.as';

// Kinds of integers, as the rs2 field of a conversion numbers them.
export const W: u32 = 0;
export const WU: u32 = 1;
export const L: u32 = 2;
export const LU: u32 = 3;

/** FCVT.D.S: exact. */
export function widen(a: u64): u64 {
  if (isNan<f32>(a)) {
    nanOf<f32>(a, a);
    return canonicalNan<f64>();
  }
  return toBits<f64>(fromBits<f32>(a) as f64);
}

/** FCVT.S.D. */
export function narrow(a: u64, rm: u32): u64 {
  if (rm == RNE) {
    const host = fromBits<f64>(a) as f32;
    const isSilent = inexactIsKnown() || (host as f64) == fromBits<f64>(a);
    if (isSilent && isOrdinary<f32>(toBits<f32>(host))) return toBits<f32>(host);
  }
  if (isNan<f64>(a)) {
    nanOf<f64>(a, a);
    return canonicalNan<f32>();
  }
  const negative = a >> 63 ? signBit<f32>() : 0;
  if (isZero<f64>(a)) return negative;
  if (isInfinite<f64>(a)) return negative | infinity<f32>();
  return round<f32>(negative, exponent<f64>(a), significand<f64>(a), rm);
}

/** From an integer of a kind in x register format. What fits into the significand is exact, so the host may do it. */
export function fromInteger<F>(x: u64, kind: u32, rm: u32): u64 {
  const value: u64 = kind == W ? (x as i32) as i64 : kind == WU ? x & 0xffff_ffff : x;
  const isNegative = kind != LU && (value as i64) < 0;
  const size: u64 = isNegative ? 0 - value : value;
  if (size >> (fractionBits<F>() + 1) == 0 || (rm == RNE && inexactIsKnown())) {
    return toBits<F>(kind == LU ? (value as F) : ((value as i64) as F));
  }
  const left = (clz<u64>(size) as i32) - 1;
  const leading = left < 0 ? shiftAndStick(size, 1) : size << left;
  return round<F>(isNegative ? signBit<F>() : 0, LEADING - left, leading, rm);
}

/** To an integer of a kind in x register format. What it cannot hold gives the end of its range, and NV. */
export function toInteger(value: f64, kind: u32, rm: u32): u64 {
  const whole = roundToWhole(value, rm);
  if (!(whole >= lowest(kind) && whole < limit(kind))) {
    accrue(NV);
    return whole < 0 ? lowestInteger(kind) : highestInteger(kind);
  }
  if (whole != value) accrue(NX);
  switch (kind) {
    case W: return (whole as i32) as i64;
    case WU: return ((whole as u32) as i32) as i64;
    case L: return (whole as i64) as u64;
  }
  return whole as u64;
}

function roundToWhole(value: f64, rm: u32): f64 {
  switch (rm) {
    case RNE: return nearest(value);
    case RTZ: return trunc(value);
    case RDN: return floor(value);
    case RUP: return ceil(value);
  }
  const towardsZero = trunc(value); // RMM
  return abs(value - towardsZero) >= 0.5 ? towardsZero + copysign<f64>(1, value) : towardsZero;
}

function lowest(kind: u32): f64 {
  return kind == W ? -2147483648.0 : kind == L ? -9223372036854775808.0 : 0;
}

function limit(kind: u32): f64 {
  switch (kind) {
    case W: return 2147483648.0;
    case WU: return 4294967296.0;
    case L: return 9223372036854775808.0;
  }
  return 18446744073709551616.0;
}

function lowestInteger(kind: u32): u64 {
  return kind == W ? 0xffff_ffff_8000_0000 : kind == L ? 0x8000_0000_0000_0000 : 0;
}

function highestInteger(kind: u32): u64 {
  return kind == W ? 0x7fff_ffff : kind == L ? 0x7fff_ffff_ffff_ffff : 0xffff_ffff_ffff_ffff;
}
