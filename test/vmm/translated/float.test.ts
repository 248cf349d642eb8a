/** Instructions of F and D in translated code do what they do in the interpreter, or are left to it. */
import { isDeepStrictEqual } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { EXPANSIONS, HARTS, RAM, RAM_BASE } from '../../../libs/vmm/layout.js';
import { hasRelaxedSimd, hostFuses } from '../../../libs/vmm/translator/fusing.js';
import { PAGE_BYTES, formRegion } from '../../../libs/vmm/translator/region.js';
import { translate } from '../../../libs/vmm/translator/translate.js';
import { Random } from '../../random.js';
import { CSRS, EBREAK, csr, csri } from '../assembler.js';
import {
  ARITHMETIC,
  COMPARISONS,
  FLAGS,
  FORMATS,
  FUSED,
  type Format,
  INTEGERS,
  ROUNDING,
  SELECTIONS,
  arithmetic,
  comparison,
  fclass,
  fcvt,
  fcvtFromX,
  fcvtToX,
  fload,
  fmvFromX,
  fmvToX,
  fsqrt,
  fstore,
  fused,
  selection,
} from '../float-assembler.js';
import { EDGES } from '../float-edges.js';
import { TestMachine } from '../machine.js';
import { floatValue } from './random-float-code.js';

type TranslatedFunction = (hart: number, left: number, pc: bigint, context: bigint) => number;

const DATA = RAM_BASE + 0x1_0000;
const MACHINE_MODE = 3n;
const MANY = 100;
const BOX = 0xffff_ffffn << 32n;
/** Registers: base, an integer, a result; operands in f1 to f3, a result in f4. */
const [X8, X9, X7, F4] = [8, 9, 7, 4] as const;
const { dyn, rne, rtz, rdn, rup, rmm } = ROUNDING;

if (!hasRelaxedSimd()) setFlagsFromString('--experimental-wasm-relaxed-simd');
/** With the host's fused operations, where it has them, and without. */
const WAYS_TO_FUSE = hostFuses() ? [false, true] : [false];

const keys = <T extends object>(table: T) => Object.keys(table) as (keyof T)[];
const [translated, interpreted] = [new TestMachine(), new TestMachine()];
const machines = [translated, interpreted];

function compile(instructions: readonly number[], fuses = false): TranslatedFunction {
  for (const machine of machines) {
    machine.load([...instructions, EBREAK]);
    machine.hart.fence();
  }
  const { memory } = translated;
  const bytes = new DataView(memory.buffer, RAM, PAGE_BYTES);
  const region = formRegion({ bytes, expansions: new Uint32Array(memory.buffer, EXPANSIONS, 0x1_0000) }, 0, MANY)!;
  const module = new WebAssembly.Module(translate([region], { fuses }));
  return new WebAssembly.Instance(module, { env: { memory } }).exports['0'] as TranslatedFunction;
}

interface Operands {
  readonly floats: readonly bigint[];
  readonly integer: bigint;
}

/** Runs `length` instructions on both harts; gives how many were done by translated code. The harts must be equal then. */
function compare(
  code: TranslatedFunction,
  length: number,
  { floats, integer }: Operands,
  fcsr: bigint = FLAGS.NX,
): number {
  for (const { hart } of machines) {
    hart.setCsr(CSRS.mstatus, 3n << 13n);
    hart.setCsr(CSRS.fcsr, fcsr);
    for (let n = 0; n < 4; n++) hart.setF(n + 1, floats[n] ?? 0n);
    hart.setX(X8, BigInt(DATA));
    hart.setX(X9, integer);
    hart.pc = BigInt(RAM_BASE);
  }
  const done = MANY - (code(HARTS, MANY, BigInt(RAM_BASE), MACHINE_MODE) >> 1);
  translated.hart.run(length - done);
  interpreted.hart.run(length);
  const [state, expected] = machines.map(stateOf);
  if (!isDeepStrictEqual(state, expected)) expect(state).toEqual(expected); // the former is much faster
  return done;
}

function stateOf(machine: TestMachine) {
  const { pc, x, f, csrs } = machine.hart.save();
  return { pc, x, f, fcsr: csrs['fcsr'], data: [machine.read64(DATA), machine.read64(DATA + 8)] };
}

const ordinary = (random: Random, format: Format): Operands => ({
  floats: [1, 2, 3].map(() => floatValue(random, format)),
  integer: random.bigint(random.pick([8, 31, 64])),
});

/** Edges, numbers of few digits at the ends of each other's precision, and the wrong format now and then. */
function difficult(random: Random, format: Format): Operands {
  const view = new DataView(new ArrayBuffer(8));
  const [digits, least] = { s: [23, -149], d: [52, -1074] }[format] as [number, number];
  const value = () => {
    if (random.chance(15)) return (format === 's' ? BOX : 0n) | random.pick(EDGES[format].slice(0, 2)); // zeros
    if (random.chance(30)) return (random.chance(90) && format === 's' ? BOX : 0n) | random.pick(EDGES[format]);
    const scale = random.pick([0, 0, digits, digits + 1, -digits - 1, least / 2, least + 3, -least - 60]);
    const number = ((random.below(63) - 31) / 2 ** random.below(5)) * 2 ** Math.trunc(scale);
    if (format === 's') return (view.setFloat32(0, number), BOX | BigInt(view.getUint32(0)));
    return (view.setFloat64(0, number), view.getBigUint64(0));
  };
  return {
    floats: [value(), value(), value()],
    integer: random.pick([0n, 1n, 2n ** 31n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 53n + 1n]),
  };
}

/** Each with the format of its operands. */
const INSTRUCTIONS: readonly (readonly [name: string, format: Format, instruction: number])[] = FORMATS.flatMap(
  (format) =>
    [
      ...keys(ARITHMETIC).map((name) => [name, arithmetic(name, format, F4, 1, 2, dyn)]),
      ['fsqrt', fsqrt(format, F4, 1, dyn)],
      ...keys(SELECTIONS).map((name) => [name, selection(name, format, F4, 1, 2)]),
      ['fmv', selection('fsgnj', format, F4, 1, 1)],
      ['fneg', selection('fsgnjn', format, F4, 1, 1)],
      ['fabs', selection('fsgnjx', format, F4, 1, 1)],
      ...keys(COMPARISONS).map((name) => [name, comparison(name, format, X7, 1, 2)]),
      ['fcvt between formats', fcvt(format === 's' ? 'd' : 's', F4, 1, dyn)],
      ...keys(INTEGERS).flatMap((kind) =>
        [dyn, rne, rtz, rdn, rup, rmm].map((rm) => [`fcvt to ${kind}, mode ${rm}`, fcvtToX(kind, format, X7, 1, rm)]),
      ),
      ...keys(INTEGERS).flatMap((kind) =>
        [dyn, rdn].map((rm) => [`fcvt from ${kind}, mode ${rm}`, fcvtFromX(kind, format, F4, X9, rm)]),
      ),
      ['fclass', fclass(format, X7, 1)],
      ['fmv to x', fmvToX(format, X7, 1)],
      ['fmv from x', fmvFromX(format, F4, X9)],
      ['load', fload(format, F4, X8, 0)],
      ['store', fstore(format, 1, X8, 8)],
    ].map(([name, instruction]) => [name as string, format, instruction as number] as const),
);

describe('one instruction alone', () => {
  const check = (format: Format, instruction: number, fuses: boolean) => {
    const code = compile([instruction], fuses);
    const random = new Random(instruction);
    let done = 0;
    for (let round = 0; round < 50; round++) done += compare(code, 1, ordinary(random, format));
    expect(done).toBeGreaterThan(12); // many numbers have no unsigned integer
    for (let round = 0; round < 80; round++) {
      compare(code, 1, difficult(random, format));
      compare(code, 1, difficult(random, format), 0n);
      compare(code, 1, difficult(random, format), random.pick([FLAGS.NV, FLAGS.NV | FLAGS.NX]));
      compare(code, 1, ordinary(random, format), 0n);
    }
  };

  test.each(INSTRUCTIONS)('%s of format %s', (_name, format, instruction) => check(format, instruction, false));

  describe.each(WAYS_TO_FUSE)('with a host that fuses: %s', (fuses) => {
    test.each(FORMATS.flatMap((format) => keys(FUSED).map((name) => [name, format] as const)))(
      '%s of format %s',
      (name, format) => check(format, fused(name, format, F4, [1, 2, 3], rne), fuses),
    );
  });
});

test("several of both formats, which use each other's results", () => {
  const random = new Random(1);
  const onOne = (register: () => number) =>
    random.pick([
      () => arithmetic(random.pick(keys(ARITHMETIC)), random.pick(FORMATS), register(), register(), register(), dyn),
      () => selection(random.pick(keys(SELECTIONS)), random.pick(FORMATS), register(), register(), register()),
      () => fcvt(random.pick(FORMATS), register(), register(), dyn),
      () => fload(random.pick(FORMATS), register(), X8, random.pick([0, 4])),
      () => fstore(random.pick(FORMATS), register(), X8, random.pick([8, 12])),
    ])();
  for (let program = 0; program < 150; program++) {
    const instructions = Array.from({ length: 8 }, () => onOne(() => random.below(3) + 1));
    const code = compile(instructions);
    for (let round = 0; round < 10; round++) {
      compare(code, 8, ordinary(random, random.pick(FORMATS)), random.pick([0n, FLAGS.NX]));
    }
  }
});

test.each([
  ['mstatus.FS is not Dirty', 2n, FLAGS.NX, 0],
  ['frm is not to nearest', 3n, FLAGS.NX | (2n << 5n), 0],
  ['NX would have to be set', 3n, 0n, 0],
  ['nothing is in the way', 3n, FLAGS.NX, 1],
])('arithmetic is left to the interpreter or not: %s', (_what, fs, fcsr, expected) => {
  const code = compile([arithmetic('fdiv', 'd', F4, 1, 2, dyn)]);
  const { hart } = translated;
  [1n, 3n].forEach((value, n) => hart.setF(n + 1, ((1023n + value) << 52n) | value));
  hart.setCsr(CSRS.fcsr, fcsr);
  hart.setCsr(CSRS.mstatus, fs << 13n);
  expect(MANY - (code(HARTS, MANY, BigInt(RAM_BASE), MACHINE_MODE) >> 1)).toBe(expected);
});

const bitsOf = (value: number) => new BigUint64Array(Float64Array.of(value).buffer)[0]!;
const CSR_OPERATIONS = ['w', 's', 'c'] as const;
test.each(
  (['fflags', 'frm', 'fcsr'] as const).flatMap((name) =>
    CSR_OPERATIONS.flatMap((operation) => [
      [name, operation, csr(operation, X7, name, X9)] as const,
      [name, operation, csr(operation, X9, name, X9)] as const,
      [name, operation, csr(operation, 0, name, 0)] as const,
      [name, operation, csri(operation, X7, name, 1)] as const,
    ]),
  ),
)(
  '%s, operation %s, is accessed in translated code, and what comes behind minds it: %i',
  (_name, _operation, access) => {
    const code = compile([arithmetic('fadd', 'd', F4, 1, 2, dyn), access, arithmetic('fdiv', 'd', F4, 1, 2, dyn)]);
    const random = new Random(access);
    const floats = [1.5, 3].map(bitsOf);
    for (const fcsr of [FLAGS.NX, FLAGS.NX | FLAGS.DZ, 0n, 0xffn, FLAGS.NX | (1n << 5n)]) {
      for (const integer of [0n, 1n, 2n, 0x20n, 0xe1n, random.bigint(64)]) {
        const done = compare(code, 3, { floats, integer }, fcsr);
        if (fcsr >> 5n === 0n) expect(done).toBeGreaterThanOrEqual(2);
      }
    }
  },
);

test.each(FORMATS)('what is infinite or no number stays in translated code once NV is set: format %s', (format) => {
  const bits = (value: number) =>
    format === 'd' ? bitsOf(value) : BOX | BigInt(new Uint32Array(Float32Array.of(value).buffer)[0]!);
  const [NAN, INFINITE] = [Number.NaN, Infinity].map(bits);
  const code = compile([
    ...keys(ARITHMETIC).map((name) => arithmetic(name, format, F4, 1, 2, dyn)),
    fsqrt(format, F4, 1, dyn),
    fcvt(format === 's' ? 'd' : 's', F4, 1, dyn),
    ...keys(COMPARISONS).map((name) => comparison(name, format, X7, 1, 2)),
    ...keys(INTEGERS).map((kind) => fcvtToX(kind, format, X7, 1, rtz)),
  ]);
  const length = keys(ARITHMETIC).length + 2 + keys(COMPARISONS).length + keys(INTEGERS).length;
  for (const [a, b] of [
    [NAN, bits(1)],
    [bits(-1), NAN],
    [INFINITE, bits(-3)],
    [bits(5e30), INFINITE],
    [INFINITE, INFINITE],
  ] as const) {
    expect(compare(code, length, { floats: [a!, b!], integer: 0n }, FLAGS.NV | FLAGS.NX)).toBe(length);
  }
});

test('exact arithmetic needs no NX to be translated', () => {
  const code = compile([
    fcvtFromX('w', 'd', 1, X9, dyn),
    arithmetic('fadd', 'd', 2, 1, 1, dyn),
    arithmetic('fmul', 'd', 3, 2, 1, dyn),
    arithmetic('fdiv', 'd', 2, 3, 1, dyn),
    fused('fmsub', 'd', 3, [2, 2, 3], dyn),
    fcvt('s', 3, 3, dyn),
    fcvtToX('w', 's', X7, 3, rtz),
  ]);
  expect(compare(code, 7, { floats: [], integer: 1234n }, 0n)).toBe(7);
  expect(translated.hart.x(X7)).toBe(2n * 1234n ** 2n);
});
