/** F and D against exact arithmetic in BigInt, and to nearest also against the host's own. */
import { type Arbitrary, assert, bigInt, constantFrom, oneof, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Outcome,
  canonicalNan,
  exactAdd,
  exactConvert,
  exactDivide,
  exactFromInteger,
  exactFused,
  exactMultiply,
  exactSqrt,
  exactToInteger,
  negated,
} from './exact-float.js';
import { operand } from './float-arbitrary.js';
import {
  ARITHMETIC,
  COMPARISONS,
  FLAGS,
  FORMATS,
  FUSED,
  type Format,
  INTEGERS,
  type Integer,
  ROUNDING,
  type Rounding,
  arithmetic,
  comparison,
  fclass,
  fcvt,
  fcvtFromX,
  fcvtToX,
  fmvFromX,
  fmvToX,
  fsqrt,
  fused,
  selection,
} from './float-assembler.js';
import { CSRS } from './assembler.js';
import { EDGES, INFINITY } from './float-edges.js';
import { TestMachine } from './machine.js';

const FLOAT_ON = 1n << 13n;
const BOX = 0xffff_ffffn << 32n;
const [FA, FB, FC, FD] = [10, 11, 12, 31] as const;
const [A0, A1] = [10, 11] as const;
const MODES = Object.keys(ROUNDING).filter((name) => name !== 'dyn') as Rounding[];
const roundingMode = constantFrom(...MODES);
const boxed = (format: Format, bits: bigint) => (format === 's' ? BOX | bits : bits);

const machine = new TestMachine();
const { hart } = machine;
hart.setCsr(CSRS.mstatus, FLOAT_ON);

/** Executes one instruction on operands in FA, FB, FC; gives FD and the exceptions that it added to `before`. */
function run(instruction: number, format: Format, operands: readonly bigint[], before = 0n): Outcome {
  operands.forEach((bits, n) => hart.setF(FA + n, boxed(format, bits)));
  hart.setCsr(CSRS.fflags, before);
  machine.execute([instruction]);
  return { bits: hart.f(FD), flags: hart.csr(CSRS.fflags) };
}

/** Checks an instruction that rounds: from no exceptions, with NX already set (the host's way), and with the mode in frm. */
function checkRounded(
  encode: (rm: number) => number,
  formats: { readonly from: Format; readonly to: Format },
  rm: Rounding,
  operands: readonly bigint[],
  expected: Outcome,
): void {
  const bits = boxed(formats.to, expected.bits);
  const mode = ROUNDING[rm];
  expect(run(encode(mode), formats.from, operands)).toEqual({ bits, flags: expected.flags });
  const withNx = { bits, flags: expected.flags | FLAGS.NX };
  expect(run(encode(mode), formats.from, operands, FLAGS.NX)).toEqual(withNx);
  hart.setCsr(CSRS.frm, BigInt(mode));
  expect(run(encode(ROUNDING.dyn), formats.from, operands, FLAGS.NX)).toEqual(withNx);
}

const REFERENCE = {
  fadd: exactAdd,
  fsub: (format, rm, a, b) => exactAdd(format, rm, a, negated(format, b)),
  fmul: exactMultiply,
  fdiv: exactDivide,
} satisfies Record<keyof typeof ARITHMETIC, (format: Format, rm: Rounding, a: bigint, b: bigint) => Outcome>;

const NEGATIONS = {
  fmadd: [false, false],
  fmsub: [false, true],
  fnmsub: [true, false],
  fnmadd: [true, true],
} as const satisfies Record<keyof typeof FUSED, readonly [product: boolean, addend: boolean]>;

const RUNS = { numRuns: 400 };

describe.each(FORMATS)('arithmetic of format %s is exact, rounded once', (format) => {
  const formats = { from: format, to: format };
  const number = operand(format);

  it.each(Object.keys(ARITHMETIC) as (keyof typeof ARITHMETIC)[])('%s', (name) => {
    assert(
      property(number, number, roundingMode, (a, b, rm) => {
        const encode = (mode: number) => arithmetic(name, format, FD, FA, FB, mode);
        checkRounded(encode, formats, rm, [a, b], REFERENCE[name](format, rm, a, b));
      }),
      RUNS,
    );
  });

  it('fsqrt', () => {
    assert(
      property(number, roundingMode, (a, rm) => {
        checkRounded((mode) => fsqrt(format, FD, FA, mode), formats, rm, [a], exactSqrt(format, rm, a));
      }),
      RUNS,
    );
  });

  it.each(Object.keys(FUSED) as (keyof typeof FUSED)[])('%s', (name) => {
    const [product, addend] = NEGATIONS[name];
    const near = oneof(number, constantFrom(undefined));
    assert(
      property(number, number, near, roundingMode, (a, b, third, rm) => {
        // Now and then the addend that all but cancels the product.
        const c = third ?? negated(format, exactMultiply(format, 'rtz', a, b).bits);
        const expected = exactFused(format, rm, product ? negated(format, a) : a, b, addend ? negated(format, c) : c);
        checkRounded((mode) => fused(name, format, FD, [FA, FB, FC], mode), formats, rm, [a, b, c], expected);
      }),
      RUNS,
    );
  });

  it.each(Object.keys(INTEGERS) as Integer[])('fcvt to %s', (kind) => {
    const [min, max] = rangeOf(kind);
    assert(
      property(number, roundingMode, (a, rm) => {
        const expected = exactToInteger(format, rm, a, min, max);
        const outcome = run(fcvtToX(kind, format, A0, FA, ROUNDING[rm]), format, [a]);
        const x = BigInt.asUintN(64, BigInt.asIntN(kind.startsWith('w') ? 32 : 64, expected.bits));
        expect([hart.x(A0), outcome.flags]).toEqual([x, expected.flags]);
      }),
      RUNS,
    );
  });

  it.each(Object.keys(INTEGERS) as Integer[])('fcvt from %s', (kind) => {
    assert(
      property(integerRegister, roundingMode, (x, rm) => {
        hart.setX(A0, x);
        const width = kind.startsWith('w') ? 32 : 64;
        const value = kind.endsWith('u') ? BigInt.asUintN(width, x) : BigInt.asIntN(width, x);
        const expected = exactFromInteger(format, rm, value);
        checkRounded((mode) => fcvtFromX(kind, format, FD, A0, mode), formats, rm, [], expected);
      }),
      RUNS,
    );
  });
});

const integerRegister: Arbitrary<bigint> = oneof(
  constantFrom(0n, 1n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 63n),
  constantFrom(2n ** 64n - 1n, 2n ** 64n - 2n ** 10n, 2n ** 64n - 2n ** 39n, 2n ** 24n + 1n, 2n ** 63n - 2n ** 9n),
  bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  bigInt({ min: 0n, max: 2n ** 60n - 1n }).map((x) => x >> (x % 60n)),
);

function rangeOf(kind: Integer): [bigint, bigint] {
  const width = kind.startsWith('w') ? 32n : 64n;
  return kind.endsWith('u') ? [0n, 2n ** width - 1n] : [-(2n ** (width - 1n)), 2n ** (width - 1n) - 1n];
}

describe('conversions between the formats', () => {
  it('fcvt.s.d', () => {
    const double = oneof(
      operand('d'),
      operand('s').map((bits) => exactConvert('d', 's', 'rne', bits).bits),
    );
    assert(
      property(double, roundingMode, (a, rm) => {
        const formats = { from: 'd', to: 's' } as const;
        checkRounded((mode) => fcvt('s', FD, FA, mode), formats, rm, [a], exactConvert('s', 'd', rm, a));
      }),
      RUNS,
    );
  });

  it('fcvt.d.s', () => {
    assert(
      property(operand('s'), roundingMode, (a, rm) => {
        const formats = { from: 's', to: 'd' } as const;
        checkRounded((mode) => fcvt('d', FD, FA, mode), formats, rm, [a], exactConvert('d', 's', rm, a));
      }),
      RUNS,
    );
  });
});

describe('to nearest, the host computes the same', () => {
  const view = new DataView(new ArrayBuffer(8));
  const double = (bits: bigint) => (view.setBigUint64(0, bits), view.getFloat64(0));
  const single = (bits: bigint) => (view.setUint32(0, Number(bits)), view.getFloat32(0));
  const bitsOfDouble = (value: number) => (view.setFloat64(0, value), view.getBigUint64(0));
  const bitsOfSingle = (value: number) => (view.setFloat32(0, value), BigInt(view.getUint32(0)));
  const HOST = {
    fadd: (a, b) => a + b,
    fsub: (a, b) => a - b,
    fmul: (a, b) => a * b,
    fdiv: (a, b) => a / b,
  } satisfies Record<keyof typeof ARITHMETIC, (a: number, b: number) => number>;

  it.each(Object.keys(HOST) as (keyof typeof HOST)[])('%s', (name) => {
    assert(
      property(operand('d'), operand('d'), constantFrom(0n, FLAGS.NX), (a, b, before) => {
        const result = HOST[name](double(a), double(b));
        const bits = Number.isNaN(result) ? canonicalNan('d') : bitsOfDouble(result);
        expect(run(arithmetic(name, 'd', FD, FA, FB, ROUNDING.rne), 'd', [a, b], before).bits).toBe(bits);
      }),
      RUNS,
    );
    // Of two singles, a double holds enough digits that rounding it again does no harm.
    assert(
      property(operand('s'), operand('s'), constantFrom(0n, FLAGS.NX), (a, b, before) => {
        const result = Math.fround(HOST[name](single(a), single(b)));
        const bits = Number.isNaN(result) ? canonicalNan('s') : bitsOfSingle(result);
        expect(run(arithmetic(name, 's', FD, FA, FB, ROUNDING.rne), 's', [a, b], before).bits).toBe(BOX | bits);
      }),
      RUNS,
    );
  });

  it('fsqrt', () => {
    assert(
      property(operand('d'), constantFrom(0n, FLAGS.NX), (a, before) => {
        const result = Math.sqrt(double(a));
        const bits = Number.isNaN(result) ? canonicalNan('d') : bitsOfDouble(result);
        expect(run(fsqrt('d', FD, FA, ROUNDING.rne), 'd', [a], before).bits).toBe(bits);
      }),
      RUNS,
    );
  });

  it('comparisons', () => {
    const compared = {
      fle: (a, b) => a <= b,
      flt: (a, b) => a < b,
      feq: (a, b) => a === b,
    } satisfies Record<keyof typeof COMPARISONS, (a: number, b: number) => boolean>;
    assert(
      property(operand('d'), operand('d'), constantFrom('fle', 'flt', 'feq'), (a, b, name) => {
        const { flags } = run(comparison(name, 'd', A0, FA, FB), 'd', [a, b]);
        expect(hart.x(A0)).toBe(compared[name](double(a), double(b)) ? 1n : 0n);
        const invalid = name === 'feq' ? isSignalling('d', a) || isSignalling('d', b) : isNan('d', a) || isNan('d', b);
        expect(flags).toBe(invalid ? FLAGS.NV : 0n);
      }),
      RUNS,
    );
  });
});

const isNan = (format: Format, bits: bigint) =>
  exactMultiply(format, 'rne', bits, ONE[format]).bits === canonicalNan(format);
const ONE = { s: 0x3f80_0000n, d: 0x3ff0_0000_0000_0000n };
const isSignalling = (format: Format, bits: bigint) =>
  exactMultiply(format, 'rne', bits, ONE[format]).flags === FLAGS.NV;

it.each(FORMATS)('infinity times zero is invalid beside a quiet NaN too, of format %s', (format) => {
  const infinity = INFINITY[format];
  for (const operands of [
    [infinity, 0n, canonicalNan(format)],
    [negated(format, 0n), infinity, canonicalNan(format)],
  ]) {
    const outcome = run(fused('fmadd', format, FD, [FA, FB, FC], ROUNDING.rne), format, operands);
    expect(outcome).toEqual({ bits: boxed(format, canonicalNan(format)), flags: FLAGS.NV });
  }
});

describe.each(FORMATS)('what never rounds, of format %s', (format) => {
  const zero = EDGES[format][0]!;
  const minusZero = EDGES[format][1]!;
  const infinity = INFINITY[format];
  const quiet = canonicalNan(format);
  const signalling = infinity + 1n;
  const one = ONE[format];

  it('minimum and maximum prefer numbers to NaNs, and -0 is below +0', () => {
    const of = (name: 'fmin' | 'fmax', a: bigint, b: bigint) =>
      run(selection(name, format, FD, FA, FB), format, [a, b]);
    const outcome = (bits: bigint, flags = 0n) => ({ bits: boxed(format, bits), flags });
    for (const [a, b] of [
      [zero, minusZero],
      [minusZero, zero],
    ] as const) {
      expect(of('fmin', a, b)).toEqual(outcome(minusZero));
      expect(of('fmax', a, b)).toEqual(outcome(zero));
    }
    expect(of('fmin', one, infinity)).toEqual(outcome(one));
    expect(of('fmax', one, infinity)).toEqual(outcome(infinity));
    expect(of('fmin', quiet, one)).toEqual(outcome(one));
    expect(of('fmax', one, quiet)).toEqual(outcome(one));
    expect(of('fmin', signalling, one)).toEqual(outcome(one, FLAGS.NV));
    expect(of('fmax', quiet | 1n, quiet | 3n)).toEqual(outcome(quiet));
    expect(of('fmax', quiet, signalling)).toEqual(outcome(quiet, FLAGS.NV));
  });

  it('signs are taken over, inverted, multiplied, also of NaNs', () => {
    const minus = (bits: bigint) => negated(format, bits);
    for (const a of [one, minus(one), signalling, minus(quiet)]) {
      for (const b of [zero, minusZero]) {
        const size = a & ~minusZero;
        const flipped = b === zero ? a : minus(a);
        const of = (name: 'fsgnj' | 'fsgnjn' | 'fsgnjx') => run(selection(name, format, FD, FA, FB), format, [a, b]);
        expect(of('fsgnj')).toEqual({ bits: boxed(format, size | b), flags: 0n });
        expect(of('fsgnjn')).toEqual({ bits: boxed(format, size | minus(b)), flags: 0n });
        expect(of('fsgnjx')).toEqual({ bits: boxed(format, flipped), flags: 0n });
      }
    }
  });

  it('classes', () => {
    const subnormal = 1n;
    const positive: [bigint, bigint][] = [
      [infinity, 1n << 7n],
      [one, 1n << 6n],
      [subnormal, 1n << 5n],
      [zero, 1n << 4n],
      [minusZero, 1n << 3n],
      [negated(format, subnormal), 1n << 2n],
      [negated(format, one), 1n << 1n],
      [negated(format, infinity), 1n],
      [signalling, 1n << 8n],
      [negated(format, quiet), 1n << 9n],
    ];
    for (const [bits, expected] of positive) {
      run(fclass(format, A0, FA), format, [bits]);
      expect(hart.x(A0)).toBe(expected);
    }
  });
});

describe('boxes of singles', () => {
  const UNBOXED = 0xffff_fffe_3f80_0000n; // 1.0 with a bit missing above it

  it('a single that is not boxed counts as NaN', () => {
    hart.setF(FA, UNBOXED);
    hart.setF(FB, BOX | ONE.s);
    machine.execute([arithmetic('fadd', 's', FD, FA, FB, ROUNDING.rne)]);
    expect(hart.f(FD)).toBe(BOX | canonicalNan('s'));
    machine.execute([selection('fsgnj', 's', FD, FA, FA)]);
    expect(hart.f(FD)).toBe(BOX | canonicalNan('s'));
    machine.execute([fclass('s', A0, FA)]);
    expect(hart.x(A0)).toBe(1n << 9n);
  });

  it('moves do not look at them, but make them', () => {
    hart.setF(FA, 0x1234_5678_8000_0001n);
    machine.execute([fmvToX('s', A0, FA)]);
    expect(hart.x(A0)).toBe(0xffff_ffff_8000_0001n);
    machine.execute([fmvToX('d', A1, FA)]);
    expect(hart.x(A1)).toBe(0x1234_5678_8000_0001n);
    machine.execute([fmvFromX('s', FD, A1)]);
    expect(hart.f(FD)).toBe(BOX | 0x8000_0001n);
    machine.execute([fmvFromX('d', FD, A1)]);
    expect(hart.f(FD)).toBe(0x1234_5678_8000_0001n);
  });
});
