/**
 * Arithmetic of F and D: bits in, bits out (of f32 or f64, not boxed), exceptions accrued into fcsr. The host's own
 * instruction does the work where nothing of it can be told from the exact way: to nearest, with a result that neither
 * overflowed nor may have underflowed, and that is exact, unless NX is set already. (QEMU does so, too, when NX is set:
 * "hardfloat", fpu/softfloat.c.)
 */
import { NV, RNE, accrue, inexactIsKnown } from './fcsr.as';
import { exactAdd, exactDivide, exactFused, exactMultiply, exactSqrt } from './float-exact.as';
import {
  canonicalNan, fromBits, isFinite, isNan, isOrdinary, isSignalling, isSubnormal, isZero, sign, signBit, toBits,
} from './float-format.as';
import { fusedDoubles, fusedSingles, isExactProduct, restOfSum } from './float-rest.as';

/** Tiny sums are exact, so only overflow matters. */
@inline
export function add<F>(a: u64, b: u64, rm: u32): u64 {
  if (rm == RNE) {
    const sum: F = fromBits<F>(a) + fromBits<F>(b);
    const isSilent = inexactIsKnown() || restOfSum<F>(fromBits<F>(a), fromBits<F>(b), sum) == 0;
    if (isSilent && isFinite<F>(toBits<F>(sum))) return toBits<F>(sum);
  }
  return exactAdd<F>(a, b, rm);
}

@inline
export function subtract<F>(a: u64, b: u64, rm: u32): u64 {
  return add<F>(a, b ^ signBit<F>(), rm);
}

@inline
export function multiply<F>(a: u64, b: u64, rm: u32): u64 {
  if (rm == RNE) {
    const product: F = fromBits<F>(a) * fromBits<F>(b);
    const isSilent = inexactIsKnown() || isExactProduct<F>(fromBits<F>(a), fromBits<F>(b), product);
    if (isSilent && isOrdinary<F>(toBits<F>(product))) return toBits<F>(product);
  }
  return exactMultiply<F>(a, b, rm);
}

@inline
export function divide<F>(a: u64, b: u64, rm: u32): u64 {
  if (rm == RNE) {
    const quotient: F = fromBits<F>(a) / fromBits<F>(b);
    const isSilent = inexactIsKnown() || isExactProduct<F>(quotient, fromBits<F>(b), fromBits<F>(a));
    if (isSilent && isOrdinary<F>(toBits<F>(quotient))) return toBits<F>(quotient);
  }
  return exactDivide<F>(a, b, rm);
}

@inline
export function squareRoot<F>(a: u64, rm: u32): u64 {
  if (rm == RNE) {
    const root: F = sqrt<F>(fromBits<F>(a));
    const isSilent = inexactIsKnown() || isExactProduct<F>(root, root, fromBits<F>(a));
    if (isSilent && isOrdinary<F>(toBits<F>(root))) return toBits<F>(root);
  }
  return exactSqrt<F>(a, rm);
}

/** a * b + c, rounded once. */
@inline
export function fused<F>(a: u64, b: u64, c: u64, rm: u32): u64 {
  if (rm == RNE) {
    const result = hostFused<F>(a, b, c);
    if (isOrdinary<F>(result)) return result;
  }
  return exactFused<F>(a, b, c, rm);
}

@inline
function hostFused<F>(a: u64, b: u64, c: u64): u64 {
  const known = inexactIsKnown();
  if (sizeof<F>() == 8) return fusedDoubles(fromBits<f64>(a), fromBits<f64>(b), fromBits<f64>(c), known);
  return fusedSingles(fromBits<f32>(a), fromBits<f32>(b), fromBits<f32>(c), known);
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
