/**
 * Arithmetic of F and D in integers, right in every rounding mode and with every exception: what float-arithmetic.as.ts
 * falls back on. Operands and results are bits of F; each result is computed exactly, but for a sticky lowest bit,
 * and then rounded once (IEEE 754-2019, chapters 5 to 7).
 */
import { mulhu } from './arithmetic.as';
import { DZ, RDN, accrue } from './fcsr.as';
import {
  LEADING, exponent, fractionBits, infinity, invalid, isFinite, isInfinite, isNan, isSignalling, isZero, nanOf, round,
  shiftAndStick, sign, signBit, significand,
} from './float-format.as';

/** The zero that numbers give which cancel each other. */
@inline
function cancelled<F>(rm: u32): u64 {
  return rm == RDN ? signBit<F>() : 0;
}

export function exactAdd<F>(a: u64, b: u64, rm: u32): u64 {
  if (isNan<F>(a) || isNan<F>(b)) return nanOf<F>(a, b);
  if (isInfinite<F>(a)) return isInfinite<F>(b) && a != b ? invalid<F>() : a;
  if (isInfinite<F>(b)) return b;
  if (isZero<F>(a)) return isZero<F>(b) && a != b ? cancelled<F>(rm) : b;
  if (isZero<F>(b)) return a;
  const distance = exponent<F>(a) - exponent<F>(b);
  return distance < 0 ? addSmaller<F>(b, a, -distance, rm) : addSmaller<F>(a, b, distance, rm);
}

/** The exponent of b is `distance` below that of a. */
function addSmaller<F>(a: u64, b: u64, distance: i32, rm: u32): u64 {
  const top = exponent<F>(a);
  const large = significand<F>(a);
  const small = shiftAndStick(significand<F>(b), distance);
  if (sign<F>(a) == sign<F>(b)) return roundAny<F>(sign<F>(a), top, large + small, rm);
  if (large == small) return cancelled<F>(rm);
  if (large > small) return roundAny<F>(sign<F>(a), top, large - small, rm);
  return roundAny<F>(sign<F>(b), top, small - large, rm);
}

/** Rounds a significand with its leading bit anywhere. */
function roundAny<F>(negative: u64, top: i32, value: u64, rm: u32): u64 {
  const left = (clz<u64>(value) as i32) - 1;
  return round<F>(negative, top - left, left < 0 ? shiftAndStick(value, 1) : value << left, rm);
}

export function exactMultiply<F>(a: u64, b: u64, rm: u32): u64 {
  if (isNan<F>(a) || isNan<F>(b)) return nanOf<F>(a, b);
  const negative = sign<F>(a ^ b);
  if (!isFinite<F>(a) || !isFinite<F>(b)) {
    return isZero<F>(a) || isZero<F>(b) ? invalid<F>() : negative | infinity<F>();
  }
  if (isZero<F>(a) || isZero<F>(b)) return negative;
  const x = significand<F>(a) << 1;
  const y = significand<F>(b);
  const high = mulhu(x, y) | ((x * y != 0) as u64);
  return roundAny<F>(negative, exponent<F>(a) + exponent<F>(b) + 1, high, rm);
}

export function exactDivide<F>(a: u64, b: u64, rm: u32): u64 {
  if (isNan<F>(a) || isNan<F>(b)) return nanOf<F>(a, b);
  const negative = sign<F>(a ^ b);
  if (isInfinite<F>(a)) return isInfinite<F>(b) ? invalid<F>() : negative | infinity<F>();
  if (isInfinite<F>(b)) return negative;
  if (isZero<F>(b)) {
    if (isZero<F>(a)) return invalid<F>();
    accrue(DZ);
    return negative | infinity<F>();
  }
  if (isZero<F>(a)) return negative;

  // Long division by digits of as many bits as are free above the operands.
  const digit = LEADING - fractionBits<F>();
  const divisor = significand<F>(b) >> digit;
  let rest = significand<F>(a) >> digit;
  let quotient: u64 = 0;
  let bits = 0;
  for (; bits <= fractionBits<F>() + 1; bits += digit) {
    quotient = (quotient << digit) + (rest << digit) / divisor;
    rest = (rest << digit) % divisor;
  }
  const top = exponent<F>(a) - exponent<F>(b) + LEADING - bits;
  return roundAny<F>(negative, top, quotient | ((rest != 0) as u64), rm);
}

export function exactSqrt<F>(a: u64, rm: u32): u64 {
  if (isNan<F>(a)) return nanOf<F>(a, a);
  if (isZero<F>(a)) return a;
  if (sign<F>(a)) return invalid<F>();
  if (isInfinite<F>(a)) return a;

  // Bit by bit: `rest` is what the square of `root` lacks, both doubled (rest twice) with each bit.
  const odd = exponent<F>(a) & 1;
  let rest = significand<F>(a) >> (LEADING - fractionBits<F>() - odd);
  let root: u64 = 0;
  let twice: u64 = 0;
  let bit: u64 = (1 as u64) << (fractionBits<F>() + 1);
  for (; bit; bit >>= 1) {
    const needed = twice + bit;
    rest <<= 1;
    if (rest >= needed) {
      rest -= needed;
      twice = needed + bit;
      root |= bit;
    }
  }
  const below = LEADING - 1 - fractionBits<F>();
  return round<F>(0, exponent<F>(a) >> 1, (root << below) | ((rest != 0) as u64), rm);
}

/** a * b + c, rounded once. */
export function exactFused<F>(a: u64, b: u64, c: u64, rm: u32): u64 {
  const zeroProduct = isZero<F>(a) || isZero<F>(b);
  if (zeroProduct && (isInfinite<F>(a) || isInfinite<F>(b))) return invalid<F>(); // even if c is a quiet NaN
  if (isNan<F>(a) || isNan<F>(b)) return nanOf<F>(a, isSignalling<F>(c) ? c : b);
  if (isNan<F>(c)) return nanOf<F>(c, c);
  const negative = sign<F>(a ^ b);
  if (isInfinite<F>(a) || isInfinite<F>(b)) {
    return isInfinite<F>(c) && sign<F>(c) != negative ? invalid<F>() : negative | infinity<F>();
  }
  if (isInfinite<F>(c)) return c;
  if (zeroProduct) return isZero<F>(c) && c != negative ? cancelled<F>(rm) : c;
  return addProduct<F>(negative, a, b, c, rm);
}

/** The sum of a product and a number in 128 bits, as two halves. The product is not zero. */
function addProduct<F>(negative: u64, a: u64, b: u64, c: u64, rm: u32): u64 {
  const x = significand<F>(a) << 1;
  const y = significand<F>(b);
  let high = mulhu(x, y);
  let low = x * y;
  let top = exponent<F>(a) + exponent<F>(b) + 1;
  if (high >> (LEADING - 1) == 1) {
    high = (high << 1) | (low >> 63);
    low <<= 1;
    top--;
  }
  if (isZero<F>(c)) return round<F>(negative, top, high | ((low != 0) as u64), rm);

  let otherHigh = significand<F>(c);
  let otherLow: u64 = 0;
  const distance = top - exponent<F>(c);
  if (distance > 0) {
    otherLow = shiftedLow(otherHigh, 0, distance);
    otherHigh = distance < 64 ? otherHigh >> distance : 0;
  } else if (distance < 0) {
    low = shiftedLow(high, low, -distance);
    high = -distance < 64 ? high >> -distance : 0;
    top = exponent<F>(c);
  }
  if (negative == sign<F>(c)) {
    low += otherLow;
    high += otherHigh + ((low < otherLow) as u64);
    return roundAny<F>(negative, top, high | ((low != 0) as u64), rm);
  }
  if (high == otherHigh && low == otherLow) return cancelled<F>(rm);
  if (high > otherHigh || (high == otherHigh && low > otherLow)) {
    return roundLong<F>(negative, top, high - otherHigh - ((low < otherLow) as u64), low - otherLow, rm);
  }
  return roundLong<F>(sign<F>(c), top, otherHigh - high - ((otherLow < low) as u64), otherLow - low, rm);
}

/** The lower half of 128 bits after a shift to the right, sticky. */
function shiftedLow(high: u64, low: u64, by: i32): u64 {
  if (by >= 64) return shiftAndStick(high, by - 64) | ((low != 0) as u64);
  return (high << (64 - by)) | shiftAndStick(low, by);
}

function roundLong<F>(negative: u64, top: i32, high: u64, low: u64, rm: u32): u64 {
  if (high == 0) return roundAny<F>(negative, top - 64, low, rm);
  const left = (clz<u64>(high) as i32) - 1;
  if (left > 0) {
    high = (high << left) | (low >> (64 - left));
    low <<= left;
  }
  return round<F>(negative, top - left, high | ((low != 0) as u64), rm);
}
