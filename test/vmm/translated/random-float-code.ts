/** Random programs as in random-code.ts that compute with floating point, most of the time as compilers let it. */
import { RAM_BASE } from '../../../libs/vmm/layout.js';
import type { Random } from '../../random.js';
import { CSRS, csr, csri } from '../assembler.js';
import {
  ARITHMETIC,
  COMPARISONS,
  FORMATS,
  type Format,
  FUSED,
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
import { FREE, type RandomProgram, integerInstruction, randomProgram } from './random-code.js';

const BOX = 0xffff_ffffn << 32n;
const NX = 1n;
const [OFF, CLEAN, DIRTY] = [0n, 2n, 3n] as const;
/** Few, so that results are used again; most of the time each is used with its own format. */
const FLOATS = { s: [0, 2, 8, 10], d: [1, 3, 9, 31] } as const;
/** Where the base registers of random-code.ts point to. */
const DATA = RAM_BASE + 0x1_07c0;

const keys = <T extends object>(table: T) => Object.keys(table) as (keyof T)[];

export function randomFloatProgram(random: Random): RandomProgram {
  const program = randomProgram(random, (chance) =>
    chance.chance(75) ? floatInstruction(chance) : integerInstruction(chance),
  );
  const values = FORMATS.flatMap((format) =>
    FLOATS[format].map((register) => ({ register, bits: floatValue(random, format) })),
  );
  const data = Array.from({ length: 16 }, () => floatValue(random, random.pick(FORMATS)));
  const fcsr = random.chance(80) ? NX : random.bigint(8);
  const fs = random.pick([DIRTY, DIRTY, DIRTY, CLEAN, OFF]);
  return {
    load(machine) {
      program.load(machine);
      const { hart } = machine;
      for (const { register, bits } of values) hart.setF(register, bits);
      data.forEach((bits, n) => machine.write64(DATA + 8 * n, bits));
      hart.setCsr(CSRS.fcsr, fcsr);
      hart.setCsr(CSRS.mstatus, fs << 13n);
    },
  };
}

/** Bits for an f register: a number of moderate size in the format, mostly; else anything. */
export function floatValue(random: Random, format: Format): bigint {
  const sign = random.bigint(1);
  switch (random.below(12)) {
    case 0:
      return random.pick(EDGES.d);
    case 1:
      return BOX | random.pick(EDGES.s);
    case 2:
      return random.bigint(64);
    default:
      if (format === 's') return BOX | (sign << 31n) | (BigInt(123 + random.below(9)) << 23n) | random.bigint(23);
      return (sign << 63n) | (BigInt(1019 + random.below(9)) << 52n) | random.bigint(52);
  }
}

/** Mostly one that keeps rounding to nearest, and NX, without which most is interpreted. */
function csrInstruction(random: Random, x: number): number {
  const name = random.pick(['fflags', 'frm', 'fcsr'] as const);
  if (random.chance(60)) return csr('s', x, name, 0);
  if (random.chance(50)) return csri(random.pick(['w', 's', 'c']), random.pick([0, x]), name, random.pick([0, 1, 9]));
  return csr(random.pick(['w', 's', 'c']), random.pick([0, x]), name, random.pick([0, x, random.below(32)]));
}

function floatInstruction(random: Random): number {
  const format = random.pick(FORMATS);
  const float = (of = format) => random.pick(FLOATS[random.chance(95) ? of : random.pick(FORMATS)]);
  const [fd, fs1, fs2, fs3] = [float(), float(), float(), float()];
  const x = random.pick(FREE);
  const rm = random.pick([ROUNDING.dyn, ROUNDING.dyn, ROUNDING.dyn, ROUNDING.rne, random.below(8)]);
  const base = random.pick([8, 8, 8, 8, 9, 2]);
  const offset = random.pick([0, 8, -8, 16, random.below(64) - 32]);
  switch (random.below(14)) {
    case 0:
    case 1:
      return fload(format, fd, base, offset);
    case 2:
      return fstore(format, fs2, base, offset);
    case 3:
      return selection(random.pick(keys(SELECTIONS)), format, fd, fs1, random.pick([fs1, fs2]));
    case 4:
      return comparison(random.pick(keys(COMPARISONS)), format, x, fs1, fs2);
    case 5:
      return random.pick([fsqrt(format, fd, fs1, rm), fclass(format, x, fs1)]);
    case 6:
    case 7:
      return fused(random.pick(keys(FUSED)), format, fd, [fs1, fs2, fs3], rm);
    case 8:
      return fcvt(format, fd, float(format === 's' ? 'd' : 's'), rm);
    case 9:
      return fcvtToX(random.pick(keys(INTEGERS)), format, x, fs1, random.pick([rm, ROUNDING.rtz]));
    case 10:
      return fcvtFromX(random.pick(keys(INTEGERS)), format, fd, random.below(32), rm);
    case 11:
      return random.pick([fmvToX(format, x, fs1), fmvFromX(format, fd, random.below(32))]);
    case 12:
      return random.chance(20) ? csrInstruction(random, x) : arithmetic('fmul', format, fd, fs1, fs2, rm);
    default:
      return arithmetic(random.pick(keys(ARITHMETIC)), format, fd, fs1, fs2, rm);
  }
}
