/**
 * Arithmetic of F and D: bits in, bits out (of f32 or f64, not boxed), exceptions accrued into fcsr. The host's own
 * instruction does the work where nothing of it can be told from the exact way: to nearest, when NX is set already,
 * and with a result that neither overflowed nor may have underflowed. (QEMU does so too: "hardfloat", fpu/softfloat.c.)
 */
import { NV, RNE, accrue, inexactIsKnown } from './fcsr.as';
import { exactAdd, exactDivide, exactFused, exactMultiply, exactSqrt } from './float-exact.as';
import {
  canonicalNan, fractionBits, fromBits, infinity, isFinite, isNan, isOrdinary, isSignalling, isSubnormal, isZero, sign,
  signBit, toBits,
} from './float-format.as';

@inline
function mayUseHost(rm: u32): bool {
  return rm == RNE && inexactIsKnown();
}

/** Tiny sums are exact, so only overflow matters. */
@inline
export function add<F>(a: u64, b: u64, rm: u32): u64 {
  if (mayUseHost(rm)) {
    const sum = toBits<F>(fromBits<F>(a) + fromBits<F>(b));
    if (isFinite<F>(sum)) return sum;
  }
  return exactAdd<F>(a, b, rm);
}

@inline
export function subtract<F>(a: u64, b: u64, rm: u32): u64 {
  return add<F>(a, b ^ signBit<F>(), rm);
}

@inline
export function multiply<F>(a: u64, b: u64, rm: u32): u64 {
  if (mayUseHost(rm)) {
    const product = toBits<F>(fromBits<F>(a) * fromBits<F>(b));
    if (isOrdinary<F>(product)) return product;
  }
  return exactMultiply<F>(a, b, rm);
}

@inline
export function divide<F>(a: u64, b: u64, rm: u32): u64 {
  if (mayUseHost(rm)) {
    const quotient = toBits<F>(fromBits<F>(a) / fromBits<F>(b));
    if (isOrdinary<F>(quotient)) return quotient;
  }
  return exactDivide<F>(a, b, rm);
}

@inline
export function squareRoot<F>(a: u64, rm: u32): u64 {
  if (mayUseHost(rm)) {
    const root = toBits<F>(sqrt<F>(fromBits<F>(a)));
    if (isOrdinary<F>(root)) return root;
  }
  return exactSqrt<F>(a, rm);
}

/** a * b + c, rounded once. */
@inline
export function fused<F>(a: u64, b: u64, c: u64, rm: u32): u64 {
  if (mayUseHost(rm)) {
    const result = hostFused<F>(a, b, c);
    if (isOrdinary<F>(result)) return result;
  }
  return exactFused<F>(a, b, c, rm);
}

function hostFused<F>(a: u64, b: u64, c: u64): u64 {
  if (sizeof<F>() == 8) return fusedDoubles(fromBits<f64>(a), fromBits<f64>(b), fromBits<f64>(c));
  return fusedSingles(fromBits<f32>(a), fromBits<f32>(b), fromBits<f32>(c));
}

const UNKNOWN: u64 = 0;

/**
 * A double holds the product of two singles, and so many digits of the sum that rounding it again does harm only if they
 * end in a tie, which may be one or may only look like one after the first rounding.
 */
function fusedSingles(a: f32, b: f32, c: f32): u64 {
  const sum = (a as f64) * (b as f64) + (c as f64);
  const looksLikeTie = (reinterpret<u64>(sum) & 0x1fff_ffff) == 0x1000_0000;
  return looksLikeTie ? UNKNOWN : toBits<f32>(sum as f32);
}

/**
 * The product as two doubles (Dekker 1971), the sum of the larger one and c as two (Knuth, TAOCP 4.2.2), and what is left
 * of both added to it. That last addend is rounded itself: if the sum depends on how, the result is not known.
 */
function fusedDoubles(a: f64, b: f64, c: f64): u64 {
  const product = a * b;
  if (abs(product) < PRODUCT_LIMIT && a != 0 && b != 0) return UNKNOWN; // its rest may be too small for a double
  const aHigh = upperHalf(a);
  const aLow = a - aHigh;
  const bHigh = upperHalf(b);
  const bLow = b - bHigh;
  const productRest = aHigh * bHigh - product + aHigh * bLow + aLow * bHigh + aLow * bLow;
  const sum = product + c;
  const added = sum - product;
  const rest = product - (sum - added) + (c - added) + productRest;
  const result = sum + rest * (1 + f64.EPSILON);
  return result == sum + rest * (1 - f64.EPSILON) ? toBits<f64>(result) : UNKNOWN;
}

const PRODUCT_LIMIT: f64 = 1e-288;

/** The upper 26 bits of the significand, rounded (Veltkamp 1968). */
@inline
function upperHalf(a: f64): f64 {
  const scaled = a * 134217729.0; // 2^27 + 1
  return scaled - (scaled - a);
}

/** The smaller: minimumNumber of IEEE 754-2019. A NaN counts only beside another one; -0 is below +0. */
export function minimum<F>(a: u64, b: u64): u64 {
  if (isNan<F>(a) || isNan<F>(b)) return numberOf<F>(a, b);
  return toBits<F>(min<F>(fromBits<F>(a), fromBits<F>(b)));
}

export function maximum<F>(a: u64, b: u64): u64 {
  if (isNan<F>(a) || isNan<F>(b)) return numberOf<F>(a, b);
  return toBits<F>(max<F>(fromBits<F>(a), fromBits<F>(b)));
}

function numberOf<F>(a: u64, b: u64): u64 {
  if (isSignalling<F>(a) || isSignalling<F>(b)) accrue(NV);
  if (!isNan<F>(a)) return a;
  return isNan<F>(b) ? canonicalNan<F>() : b;
}

/** FEQ is quiet: of NaNs only signalling ones are invalid. */
export function equal<F>(a: u64, b: u64): bool {
  if (isSignalling<F>(a) || isSignalling<F>(b)) accrue(NV);
  return fromBits<F>(a) == fromBits<F>(b);
}

export function less<F>(a: u64, b: u64): bool {
  if (isNan<F>(a) || isNan<F>(b)) accrue(NV);
  return fromBits<F>(a) < fromBits<F>(b);
}

export function lessOrEqual<F>(a: u64, b: u64): bool {
  if (isNan<F>(a) || isNan<F>(b)) accrue(NV);
  return fromBits<F>(a) <= fromBits<F>(b);
}

/** One bit for the class of a number, as FCLASS gives it (Unprivileged spec, table of classes in chapter "F"). */
export function classify<F>(a: u64): u64 {
  if (isNan<F>(a)) return isSignalling<F>(a) ? 1 << 8 : 1 << 9;
  const size = isZero<F>(a) ? 0 : isSubnormal<F>(a) ? 1 : isFinite<F>(a) ? 2 : 3;
  return (1 as u64) << (sign<F>(a) ? 3 - size : 4 + size);
}
