/**
 * Floating-point arithmetic as IEEE 754-2019 defines it: the exact result as a fraction of BigInts, then rounded once.
 * Slow and plain, to compare with. Bits in, bits and RISC-V's fflags out.
 */
import { FLAGS, type Format, type Rounding } from './float-assembler.js';

interface Shape {
  readonly width: bigint;
  /** Bits of the significand, with the leading one. */
  readonly precision: bigint;
  /** Exponent of the smallest normal number; the largest is 1 - this. */
  readonly minExponent: bigint;
}

const SHAPES: Record<Format, Shape> = {
  s: { width: 32n, precision: 24n, minExponent: -126n },
  d: { width: 64n, precision: 53n, minExponent: -1022n },
};

export interface Outcome {
  readonly bits: bigint;
  readonly flags: bigint;
}

/** A fraction; the denominator is positive. */
interface Fraction {
  readonly n: bigint;
  readonly d: bigint;
}

type Value =
  | { readonly is: 'nan'; readonly signalling: boolean }
  | { readonly is: 'infinite'; readonly negative: boolean }
  | { readonly is: 'finite'; readonly negative: boolean; readonly exact: Fraction };

const abs = (a: bigint) => (a < 0n ? -a : a);
const lengthOf = (a: bigint) => BigInt(a.toString(2).length);
/** a * 2^by as a fraction. */
const scaled = (a: bigint, by: bigint): Fraction => (by >= 0n ? { n: a << by, d: 1n } : { n: a, d: 1n << -by });
const infinityOf = ({ width, precision }: Shape) => ((1n << (width - precision)) - 1n) << (precision - 1n);
const signOf = (negative: boolean, { width }: Shape) => (negative ? 1n << (width - 1n) : 0n);

export const canonicalNan = (format: Format) => infinityOf(SHAPES[format]) | (1n << (SHAPES[format].precision - 2n));

function decode(bits: bigint, shape: Shape): Value {
  const negative = bits >> (shape.width - 1n) === 1n;
  const size = bits & ((1n << (shape.width - 1n)) - 1n);
  const fraction = size & ((1n << (shape.precision - 1n)) - 1n);
  const field = size >> (shape.precision - 1n);
  if (size > infinityOf(shape)) return { is: 'nan', signalling: (bits >> (shape.precision - 2n)) % 2n === 0n };
  if (size === infinityOf(shape)) return { is: 'infinite', negative };
  const significand = field === 0n ? fraction : fraction | (1n << (shape.precision - 1n));
  const exponent = (field === 0n ? 1n : field) - 1n + shape.minExponent - shape.precision + 1n;
  return { is: 'finite', negative, exact: scaled(negative ? -significand : significand, exponent) };
}

/** A fraction that is not negative, to a whole number. */
function toWhole({ n, d }: Fraction, negative: boolean, rm: Rounding): { whole: bigint; inexact: boolean } {
  const [floor, rest] = [n / d, n % d];
  const half = 2n * rest - d;
  const up = {
    rne: half > 0n || (half === 0n && floor % 2n === 1n),
    rtz: false,
    rdn: negative && rest > 0n,
    rup: !negative && rest > 0n,
    rmm: half >= 0n,
  }[rm];
  return { whole: up ? floor + 1n : floor, inexact: rest > 0n };
}

/** Floor of the binary logarithm of a positive fraction. */
function exponentOf({ n, d }: Fraction): bigint {
  const near = lengthOf(n) - lengthOf(d);
  const isBelow = near >= 0n ? n < d << near : n << -near < d;
  return isBelow ? near - 1n : near;
}

const inUnitsOf = ({ n, d }: Fraction, exponent: bigint): Fraction =>
  exponent >= 0n ? { n, d: d << exponent } : { n: n << -exponent, d };

/** Rounds a fraction to the format. Zero takes the sign that is given. */
function round(exact: Fraction, shape: Shape, rm: Rounding, zeroIsNegative: boolean): Outcome {
  const negative = exact.n === 0n ? zeroIsNegative : exact.n < 0n;
  const sign = signOf(negative, shape);
  if (exact.n === 0n) return { bits: sign, flags: 0n };
  const size = { n: abs(exact.n), d: exact.d };
  const digits = shape.precision - 1n;
  const top = exponentOf(size);
  const unit = (top < shape.minExponent ? shape.minExponent : top) - digits;
  const { whole, inexact } = toWhole(inUnitsOf(size, unit), negative, rm);
  const unlimited = toWhole(inUnitsOf(size, top - digits), negative, rm).whole;
  const tiny = top < shape.minExponent - 1n || (top < shape.minExponent && unlimited < 1n << shape.precision);
  // In units of the smallest subnormal number, the bits of a number count what lies below it in its binade.
  const bits = ((unit + digits - shape.minExponent) << digits) + whole;
  if (bits >= infinityOf(shape)) {
    const saturates = rm === 'rtz' || rm === (negative ? 'rup' : 'rdn');
    return { bits: sign | (infinityOf(shape) - (saturates ? 1n : 0n)), flags: FLAGS.OF | FLAGS.NX };
  }
  return { bits: sign | bits, flags: inexact ? (tiny ? FLAGS.UF | FLAGS.NX : FLAGS.NX) : 0n };
}

/** An operation between values that are no NaN; undefined = invalid. */
type Exact = (...operands: Exclude<Value, { is: 'nan' }>[]) => Result | undefined;
type Result =
  | { readonly infinite: boolean; readonly flags?: bigint }
  | { readonly exact: Fraction; readonly zeroIsNegative: boolean };

function compute(format: Format, rm: Rounding, operands: readonly bigint[], exact: Exact, from = format): Outcome {
  const shape = SHAPES[format];
  const values = operands.map((bits) => decode(bits, SHAPES[from]));
  const numbers = values.filter((value) => value.is !== 'nan');
  if (numbers.length < values.length) {
    const invalid = values.some((value) => value.is === 'nan' && value.signalling);
    return { bits: canonicalNan(format), flags: invalid ? FLAGS.NV : 0n };
  }
  const result = exact(...numbers);
  if (!result) return { bits: canonicalNan(format), flags: FLAGS.NV };
  if ('exact' in result) return round(result.exact, shape, rm, result.zeroIsNegative);
  return { bits: signOf(result.infinite, shape) | infinityOf(shape), flags: result.flags ?? 0n };
}

const product = (a: Fraction, b: Fraction): Fraction => ({ n: a.n * b.n, d: a.d * b.d });

/** a + b of values that may be infinite; for a sum of zeros with the same sign, that sign. */
function sum(a: Exclude<Value, { is: 'nan' }>, b: Exclude<Value, { is: 'nan' }>, rm: Rounding): Result | undefined {
  if (a.is === 'infinite')
    return b.is === 'infinite' && a.negative !== b.negative ? undefined : { infinite: a.negative };
  if (b.is === 'infinite') return { infinite: b.negative };
  return {
    exact: { n: a.exact.n * b.exact.d + b.exact.n * a.exact.d, d: a.exact.d * b.exact.d },
    zeroIsNegative: a.negative === b.negative ? a.negative : rm === 'rdn',
  };
}

export const exactAdd = (format: Format, rm: Rounding, a: bigint, b: bigint) =>
  compute(format, rm, [a, b], (x, y) => sum(x!, y!, rm));

export const negated = (format: Format, a: bigint) => a ^ signOf(true, SHAPES[format]);

export const exactMultiply = (format: Format, rm: Rounding, a: bigint, b: bigint) =>
  compute(format, rm, [a, b], (x, y) => times(x!, y!));

function times(x: Exclude<Value, { is: 'nan' }>, y: Exclude<Value, { is: 'nan' }>): Result | undefined {
  const negative = x.negative !== y.negative;
  if (x.is === 'finite' && y.is === 'finite') return { exact: product(x.exact, y.exact), zeroIsNegative: negative };
  const isZero = [x, y].some((value) => value.is === 'finite' && value.exact.n === 0n);
  return isZero ? undefined : { infinite: negative };
}

export const exactDivide = (format: Format, rm: Rounding, a: bigint, b: bigint) =>
  compute(format, rm, [a, b], (x, y) => {
    const negative = x!.negative !== y!.negative;
    if (x!.is === 'infinite') return y!.is === 'infinite' ? undefined : { infinite: negative };
    if (y!.is === 'infinite') return { exact: { n: 0n, d: 1n }, zeroIsNegative: negative };
    if (y!.exact.n === 0n) return x!.exact.n === 0n ? undefined : { infinite: negative, flags: FLAGS.DZ };
    const sign = y!.negative ? -1n : 1n;
    const exact = { n: sign * x!.exact.n * y!.exact.d, d: abs(x!.exact.d * y!.exact.n) };
    return { exact, zeroIsNegative: negative };
  });

export const exactSqrt = (format: Format, rm: Rounding, a: bigint) =>
  compute(format, rm, [a], (x) => {
    if (x!.is === 'finite' && x!.exact.n === 0n) return { exact: x!.exact, zeroIsNegative: x!.negative };
    if (x!.negative) return undefined;
    if (x!.is === 'infinite') return { infinite: false };
    // Far more digits than the format has, and half a digit more if there are others behind them.
    const scale = 1n << 700n;
    const square = (x!.exact.n * scale * scale) / x!.exact.d;
    const root = integerRoot(square);
    const more = root * root === square && (x!.exact.n * scale * scale) % x!.exact.d === 0n ? 0n : 1n;
    return { exact: { n: 2n * root + more, d: 2n * scale }, zeroIsNegative: false };
  });

/** Floor of the square root, by Newton's method. */
function integerRoot(square: bigint): bigint {
  let root = 1n << (lengthOf(square) / 2n + 1n);
  for (;;) {
    const next = (root + square / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** a * b + c. Infinity times zero is invalid even if c is a NaN. */
export function exactFused(format: Format, rm: Rounding, a: bigint, b: bigint, c: bigint): Outcome {
  const [x, y] = [decode(a, SHAPES[format]), decode(b, SHAPES[format])];
  if (x.is !== 'nan' && y.is !== 'nan' && !times(x, y)) return { bits: canonicalNan(format), flags: FLAGS.NV };
  return compute(format, rm, [a, b, c], (...[p, q, addend]) => {
    const negative = p!.negative !== q!.negative;
    const first = times(p!, q!)!;
    if ('exact' in first) return sum({ is: 'finite', negative, exact: first.exact }, addend!, rm);
    return sum({ is: 'infinite', negative }, addend!, rm);
  });
}

/** From one format to another. */
export const exactConvert = (to: Format, from: Format, rm: Rounding, a: bigint) =>
  compute(
    to,
    rm,
    [a],
    (x) => (x!.is === 'infinite' ? { infinite: x!.negative } : { exact: x!.exact, zeroIsNegative: x!.negative }),
    from,
  );

export const exactFromInteger = (format: Format, rm: Rounding, value: bigint) =>
  round({ n: value, d: 1n }, SHAPES[format], rm, false);

/** To a whole number in [min, max]; beyond it and for a NaN (which counts as large), the nearer end, and NV. */
export function exactToInteger(format: Format, rm: Rounding, a: bigint, min: bigint, max: bigint): Outcome {
  const value = decode(a, SHAPES[format]);
  if (value.is === 'nan') return { bits: max, flags: FLAGS.NV };
  if (value.is === 'infinite') return { bits: value.negative ? min : max, flags: FLAGS.NV };
  const { whole, inexact } = toWhole({ n: abs(value.exact.n), d: value.exact.d }, value.negative, rm);
  const result = value.negative ? -whole : whole;
  if (result < min || result > max) return { bits: result < min ? min : max, flags: FLAGS.NV };
  return { bits: result, flags: inexact ? FLAGS.NX : 0n };
}
