/**
 * What the host's operations round away, computed by the host as well: a sum or product of two numbers is the rounded
 * one plus a rest that is a number too, as long as nothing overflows and the product is not too small.
 */
import { toBits } from './float-format.as';

/** Below it, the rest of a product of doubles may be too small for a double. */
export const PRODUCT_LIMIT: f64 = 1e-288;

/** x + y - sum (Knuth, The Art of Computer Programming 4.2.2). Not zero if it overflows on the way. */
@inline
export function restOfSum<F>(x: F, y: F, sum: F): F {
  const added: F = sum - x;
  return x - (sum - added) + (y - added);
}

/** x * y - product, from halves of significands, whose products are exact (Dekker 1971). */
@inline
export function restOfProduct(x: f64, y: f64, product: f64): f64 {
  const xHigh = upperHalf(x);
  const xLow = x - xHigh;
  const yHigh = upperHalf(y);
  const yLow = y - yHigh;
  return xHigh * yHigh - product + xHigh * yLow + xLow * yHigh + xLow * yLow;
}

/** The upper 26 bits of the significand, rounded (Veltkamp 1968). */
@inline
function upperHalf(x: f64): f64 {
  const scaled = x * 134217729.0; // 2^27 + 1
  return scaled - (scaled - x);
}

/** True if x * y is `product` exactly; false if it is not, or if that is not known. */
@inline
export function isExactProduct<F>(x: F, y: F, product: F): bool {
  if (sizeof<F>() == 4) return (x as f64) * (y as f64) == (product as f64); // a double holds it
  const rounded = (x as f64) * (y as f64);
  return rounded == (product as f64) && abs(rounded) >= PRODUCT_LIMIT && restOfProduct(x, y, rounded) == 0;
}

/** Answer of the fused operations if the host cannot tell: no result that is neither tiny nor infinite has these bits. */
const UNKNOWN: u64 = 0;

/**
 * a * b + c, rounded once, or UNKNOWN; tiny and infinite results mean nothing. A double holds the product, and so many
 * digits of the sum that rounding it again does harm only if they end in a tie, which may not have been one before.
 */
export function fusedSingles(a: f32, b: f32, c: f32, mayBeInexact: bool): u64 {
  const product = (a as f64) * (b as f64);
  const sum = product + (c as f64);
  const looksLikeTie = (reinterpret<u64>(sum) & 0x1fff_ffff) == 0x1000_0000;
  const result = sum as f32;
  const isKnown = mayBeInexact || ((result as f64) == sum && restOfSum<f64>(product, c, sum) == 0);
  return looksLikeTie || !isKnown ? UNKNOWN : toBits<f32>(result);
}

/**
 * The same of doubles: product and sum with their rests, and both rests added to the sum. What they are together is
 * rounded itself; if the sum depends on how, it is not known.
 */
export function fusedDoubles(a: f64, b: f64, c: f64, mayBeInexact: bool): u64 {
  const product = a * b;
  if (abs(product) < PRODUCT_LIMIT && a != 0 && b != 0) return UNKNOWN;
  const sum = product + c;
  const rest = restOfSum<f64>(product, c, sum) + restOfProduct(a, b, product);
  if (rest != 0 && !mayBeInexact) return UNKNOWN;
  const result = sum + rest * (1 + f64.EPSILON);
  return result == sum + rest * (1 - f64.EPSILON) ? toBits<f64>(result) : UNKNOWN;
}
