/** Integer instructions against a reference in BigInt. */
import { array, assert, bigInt, constantFrom, integer, oneof, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  IMMEDIATE_OPERATIONS,
  REGISTER_OPERATIONS,
  SHIFTS,
  UNARY_OPERATIONS,
  i,
  r,
  shift,
  unary,
} from './assembler.js';
import { TestMachine } from './machine.js';

const signed = (value: bigint, width = 64) => BigInt.asIntN(width, value);
const unsigned = (value: bigint, width = 64) => BigInt.asUintN(width, value);
const flag = (value: boolean) => (value ? 1n : 0n);

/** Division as the M extension defines it, on values that are already signed or unsigned. */
const quotient = (a: bigint, b: bigint) => (b === 0n ? -1n : a / b);
const remainder = (a: bigint, b: bigint) => (b === 0n ? a : a % b);

/** What 64-bit operations compute; a and b come unsigned, the result may be anything modulo 2^64. */
const REFERENCE: Record<string, (a: bigint, b: bigint) => bigint> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  sll: (a, b) => a << (b & 63n),
  slt: (a, b) => flag(signed(a) < signed(b)),
  sltu: (a, b) => flag(a < b),
  xor: (a, b) => a ^ b,
  srl: (a, b) => a >> (b & 63n),
  sra: (a, b) => signed(a) >> (b & 63n),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  mul: (a, b) => a * b,
  mulh: (a, b) => (signed(a) * signed(b)) >> 64n,
  mulhsu: (a, b) => (signed(a) * b) >> 64n,
  mulhu: (a, b) => (a * b) >> 64n,
  div: (a, b) => quotient(signed(a), signed(b)),
  divu: (a, b) => quotient(a, b),
  rem: (a, b) => remainder(signed(a), signed(b)),
  remu: (a, b) => remainder(a, b),
  sh1add: (a, b) => (a << 1n) + b,
  sh2add: (a, b) => (a << 2n) + b,
  sh3add: (a, b) => (a << 3n) + b,
  'add.uw': (a, b) => unsigned(a, 32) + b,
  'sh1add.uw': (a, b) => (unsigned(a, 32) << 1n) + b,
  'sh2add.uw': (a, b) => (unsigned(a, 32) << 2n) + b,
  'sh3add.uw': (a, b) => (unsigned(a, 32) << 3n) + b,
  'slli.uw': (a, b) => unsigned(a, 32) << b,
  andn: (a, b) => a & ~b,
  orn: (a, b) => a | ~b,
  xnor: (a, b) => ~(a ^ b),
  min: (a, b) => (signed(a) < signed(b) ? a : b),
  minu: (a, b) => (a < b ? a : b),
  max: (a, b) => (signed(a) > signed(b) ? a : b),
  maxu: (a, b) => (a > b ? a : b),
  rol: (a, b) => rotate(a, b & 63n, 64n),
  ror: (a, b) => rotate(a, 64n - (b & 63n), 64n),
  rolw: (a, b) => signed(rotate(unsigned(a, 32), b & 31n, 32n), 32),
  rorw: (a, b) => signed(rotate(unsigned(a, 32), 32n - (b & 31n), 32n), 32),
  bclr: (a, b) => a & ~(1n << (b & 63n)),
  bext: (a, b) => (a >> (b & 63n)) & 1n,
  binv: (a, b) => a ^ (1n << (b & 63n)),
  bset: (a, b) => a | (1n << (b & 63n)),
};

/** To the left by up to `width`, of a value that has so many bits. */
const rotate = (value: bigint, amount: bigint, width: bigint) =>
  unsigned((value << amount) | (value >> (width - amount)), Number(width));

const binary = (value: bigint, width: number) => unsigned(value, width).toString(2).padStart(width, '0');
const bytes = (value: bigint) => unsigned(value).toString(16).padStart(16, '0').match(/../g)!;
const leadingZeros = (digits: string) => BigInt(digits.indexOf('1') < 0 ? digits.length : digits.indexOf('1'));
const trailingZeros = (digits: string) => leadingZeros([...digits].toReversed().join(''));
const ones = (digits: string) => BigInt(digits.replaceAll('0', '').length);

const UNARY_REFERENCE: Record<keyof typeof UNARY_OPERATIONS, (a: bigint) => bigint> = {
  clz: (a) => leadingZeros(binary(a, 64)),
  ctz: (a) => trailingZeros(binary(a, 64)),
  cpop: (a) => ones(binary(a, 64)),
  clzw: (a) => leadingZeros(binary(a, 32)),
  ctzw: (a) => trailingZeros(binary(a, 32)),
  cpopw: (a) => ones(binary(a, 32)),
  'sext.b': (a) => signed(a, 8),
  'sext.h': (a) => signed(a, 16),
  'zext.h': (a) => unsigned(a, 16),
  'orc.b': (a) =>
    BigInt(
      `0x${bytes(a)
        .map((byte) => (byte === '00' ? '00' : 'ff'))
        .join('')}`,
    ),
  rev8: (a) => BigInt(`0x${bytes(a).toReversed().join('')}`),
};

/** The W form computes the same on the low halves and sign-extends. */
const SHIFT_MASKED = new Set(['sll', 'srl', 'sra']);
function wordReference(name: string, a: bigint, b: bigint): bigint {
  const base = name.slice(0, -1);
  const isSigned = base === 'sra' || base === 'div' || base === 'rem';
  const half = (value: bigint) => (isSigned ? signed(value, 32) : unsigned(value, 32));
  const amount = SHIFT_MASKED.has(base) ? b & 31n : half(b);
  if (base === 'sra') return signed(half(a) >> amount, 32);
  if (base === 'div' || base === 'divu') return signed(quotient(half(a), amount), 32);
  if (base === 'rem' || base === 'remu') return signed(remainder(half(a), amount), 32);
  return signed(REFERENCE[base]!(half(a), amount), 32);
}

/** A shift by an immediate computes what the one by a register does, whose name has no i: srliw and srlw. */
const shiftReference = (name: string) => (REFERENCE[name] ? name : name.replace(/i(?=w?$)/, ''));

const isWord = (name: string) => REFERENCE[name] === undefined;
const expected = (name: string, a: bigint, b: bigint) =>
  unsigned(isWord(name) ? wordReference(name, a, b) : REFERENCE[name]!(a, b));

const EDGES = [0n, 1n, 2n, 31n, 32n, 63n, 64n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n - 1n];
const operand = oneof(
  constantFrom(...EDGES, ...EDGES.map((edge) => unsigned(-edge)), 2n ** 63n),
  bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  bigInt({ min: -1000n, max: 1000n }).map((value) => unsigned(value)),
);
/** Few bytes that are not zero. */
const sparse = array(constantFrom('00', '00', '01', '7f', '80', 'ff'), { minLength: 8, maxLength: 8 }).map((parts) =>
  BigInt(`0x${parts.join('')}`),
);
const immediate = oneof(constantFrom(-2048, -1, 0, 1, 2047), integer({ min: -2048, max: 2047 }));

describe('integer instructions compute what BigInt computes', () => {
  const machine = new TestMachine();
  const run = (instruction: number, a: bigint, b = 0n) => {
    machine.hart.setX(5, a);
    machine.hart.setX(6, b);
    machine.execute([instruction]);
    return machine.hart.x(7);
  };

  it.each(Object.keys(REGISTER_OPERATIONS) as (keyof typeof REGISTER_OPERATIONS)[])('%s', (name) => {
    assert(
      property(operand, operand, (a, b) => {
        expect(run(r(name, 7, 5, 6), a, b)).toBe(expected(name, a, b));
      }),
    );
  });

  it.each(Object.keys(UNARY_OPERATIONS) as (keyof typeof UNARY_OPERATIONS)[])('%s', (name) => {
    assert(
      property(oneof(operand, sparse), (a) => {
        expect(run(unary(name, 7, 5), a)).toBe(unsigned(UNARY_REFERENCE[name](a)));
      }),
    );
  });

  it.each([
    ['addi', 'add'],
    ['slti', 'slt'],
    ['sltiu', 'sltu'],
    ['xori', 'xor'],
    ['ori', 'or'],
    ['andi', 'and'],
    ['addiw', 'addw'],
  ] as const satisfies [keyof typeof IMMEDIATE_OPERATIONS, string][])('%s', (name, base) => {
    assert(
      property(operand, immediate, (a, imm) => {
        expect(run(i(name, 7, 5, imm), a)).toBe(expected(base, a, unsigned(BigInt(imm))));
      }),
    );
  });

  it.each(Object.keys(SHIFTS) as (keyof typeof SHIFTS)[])('%s', (name) => {
    assert(
      property(operand, integer({ min: 0, max: SHIFTS[name][3] === 6 ? 63 : 31 }), (a, amount) => {
        expect(run(shift(name, 7, 5, amount), a)).toBe(expected(shiftReference(name), a, BigInt(amount)));
      }),
    );
  });

  it('reads and writes of x0 give zero', () => {
    machine.hart.setX(5, 7n);
    machine.execute([i('addi', 0, 5, 1), r('add', 7, 0, 0)]);
    expect(machine.hart.x(0)).toBe(0n);
    expect(machine.hart.x(7)).toBe(0n);
  });
});
