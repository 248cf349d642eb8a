/**
 * The formats binary32 and binary64 of IEEE 754: bits of a number, in a u64, taken apart and put together. F is f32 or
 * f64. A finite number that is not zero is significand * 2^(exponent - 62), with the significand's leading bit at 62:
 * room for a carry above it, and for what rounding must know below.
 */
import { NV, NX, OF, RDN, RMM, RNE, RUP, UF, accrue } from './fcsr.as';

/** Where the leading bit of a significand is. */
export const LEADING: i32 = 62;

@inline
export function fractionBits<F>(): i32 {
  return sizeof<F>() == 8 ? 52 : 23;
}

@inline
function bias<F>(): i32 {
  return sizeof<F>() == 8 ? 1023 : 127;
}

@inline
export function signBit<F>(): u64 {
  return sizeof<F>() == 8 ? 0x8000_0000_0000_0000 : 0x8000_0000;
}

@inline
export function infinity<F>(): u64 {
  return sizeof<F>() == 8 ? 0x7ff0_0000_0000_0000 : 0x7f80_0000;
}

/** The only NaN that arithmetic gives: quiet, positive, without payload. */
@inline
export function canonicalNan<F>(): u64 {
  return sizeof<F>() == 8 ? 0x7ff8_0000_0000_0000 : 0x7fc0_0000;
}

@inline
function smallestNormal<F>(): u64 {
  return (1 as u64) << fractionBits<F>();
}

@inline
export function toBits<F>(value: F): u64 {
  if (sizeof<F>() == 8) return reinterpret<u64>(value);
  return reinterpret<u32>(value);
}

@inline
export function fromBits<F>(a: u64): F {
  if (sizeof<F>() == 8) return reinterpret<F>(a);
  return reinterpret<F>(a as u32);
}

@inline
export function magnitude<F>(a: u64): u64 {
  return a & (signBit<F>() - 1);
}

@inline
export function sign<F>(a: u64): u64 {
  return a & signBit<F>();
}

@inline
export function isNan<F>(a: u64): bool {
  return magnitude<F>(a) > infinity<F>();
}

@inline
export function isSignalling<F>(a: u64): bool {
  return isNan<F>(a) && !(a & (smallestNormal<F>() >> 1));
}

@inline
export function isInfinite<F>(a: u64): bool {
  return magnitude<F>(a) == infinity<F>();
}

@inline
export function isFinite<F>(a: u64): bool {
  return magnitude<F>(a) < infinity<F>();
}

@inline
export function isZero<F>(a: u64): bool {
  return magnitude<F>(a) == 0;
}

@inline
export function isSubnormal<F>(a: u64): bool {
  return !isZero<F>(a) && magnitude<F>(a) < smallestNormal<F>();
}

/** Finite and larger than the smallest normal number: such a result neither overflowed nor was it tiny. */
@inline
export function isOrdinary<F>(a: u64): bool {
  return magnitude<F>(a) - (smallestNormal<F>() + 1) < infinity<F>() - (smallestNormal<F>() + 1);
}

/** Exponent of the leading bit of a finite number that is not zero. */
export function exponent<F>(a: u64): i32 {
  const field = (magnitude<F>(a) >> fractionBits<F>()) as i32;
  if (field) return field - bias<F>();
  return 64 - bias<F>() - fractionBits<F>() - (clz<u64>(magnitude<F>(a)) as i32);
}

/** Significand of a finite number that is not zero, its leading bit at LEADING. */
export function significand<F>(a: u64): u64 {
  const fraction = a & (smallestNormal<F>() - 1);
  if (magnitude<F>(a) == fraction) return fraction << (clz<u64>(fraction) - 1);
  return (fraction | smallestNormal<F>()) << (LEADING - fractionBits<F>());
}

/** Shifts right; the lowest bit tells whether a bit that is lost was set. */
@inline
export function shiftAndStick(value: u64, by: i32): u64 {
  if (by == 0) return value;
  if (by > 63) return (value != 0) as u64;
  return (value >> by) | ((value << (64 - by) != 0) as u64);
}

/** What rounding adds to a significand before it cuts it off after the format's last bit. */
@inline
function increment<F>(negative: u64, rm: u32): u64 {
  const below = LEADING - fractionBits<F>();
  if (rm == RNE || rm == RMM) return (1 as u64) << (below - 1);
  return rm == (negative ? RDN : RUP) ? ((1 as u64) << below) - 1 : 0;
}

/**
 * The bits of the number `significand` * 2^(`exponent` - LEADING), rounded, with its exceptions accrued. The lowest bit
 * of the significand stands for all bits below it as well.
 */
export function round<F>(negative: u64, exponent: i32, significand: u64, rm: u32): u64 {
  const below = LEADING - fractionBits<F>();
  const add = increment<F>(negative, rm);
  let field = exponent + bias<F>();
  let tiny = false;
  if (field <= 0) {
    // Tiny after rounding: as if exponents had no limit, it would still be below the smallest normal number.
    tiny = field < 0 || significand + add < (1 as u64) << (LEADING + 1);
    significand = shiftAndStick(significand, 1 - field);
    field = 1;
  }
  const lost = significand & (((1 as u64) << below) - 1);
  let kept = (significand + add) >> below;
  if (rm == RNE && lost == (1 as u64) << (below - 1)) kept &= ~1; // a tie
  // The leading bit of `kept` adds one to the exponent field; a carry out of the fraction another one.
  const bits = (((field - 1) as u64) << fractionBits<F>()) + kept;
  if (field > 2 * bias<F>() || bits >= infinity<F>()) {
    accrue(OF | NX);
    return negative | (add ? infinity<F>() : infinity<F>() - 1);
  }
  if (lost) accrue(tiny ? UF | NX : NX);
  return negative | bits;
}

export function invalid<F>(): u64 {
  accrue(NV);
  return canonicalNan<F>();
}

/** What an operation gives of which an operand is a NaN. */
export function nanOf<F>(a: u64, b: u64): u64 {
  if (isSignalling<F>(a) || isSignalling<F>(b)) accrue(NV);
  return canonicalNan<F>();
}
