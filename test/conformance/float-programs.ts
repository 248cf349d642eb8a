/** Generated floating-point programs for a comparison of our hart with QEMU's: a seed always gives the same program. */
import { Random } from '../random.js';
import { csr, csri, csrr, i, li, r, shift } from '../vmm/assembler.js';
import { canonicalNan } from '../vmm/exact-float.js';
import { EDGES, INFINITY } from '../vmm/float-edges.js';
import {
  ARITHMETIC,
  COMPARISONS,
  FORMATS,
  FUSED,
  type Format,
  INTEGERS,
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
} from '../vmm/float-assembler.js';
import { keys } from './generating.js';
import { DATA, type Program, type Step } from './program.js';

/** Operands lie here; x4 points into their middle, so that every one is within reach of a load. */
const OPERANDS = 0x8014_0000;
const OPERAND_COUNT = 512;
const FAMILY_SIZE = 16;
const TABLE = 4;
/** Point into the data: aligned, so that compressed stores reach it too, and odd, near the end of a page. */
const [ALIGNED, ODD] = [8, 9] as const;
/** Operations of a block. Each has a destination of its own, an f and an x register, and five bits for its exceptions. */
const OPERATIONS = 12;
const FIRST_F = 20;
const FIRST_X = 10;
const [EXCEPTIONS, SEEN, INTEGER] = [5, 6, 7] as const;
/** What fflags is before an operation: nothing, NX (then the host may compute), everything. */
const BEFORE = { none: 0, nx: 1, all: 31 } as const;
const FS = 3n << 13n;

const BOX = 0xffff_ffffn << 32n;
const INTEGER_EDGES = [0n, 1n, 2n ** 24n + 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 63n - 512n];

const view = new DataView(new ArrayBuffer(8));
const doubleBits = (value: number) => (view.setFloat64(0, value), view.getBigUint64(0));
const singleBits = (value: number) => (view.setFloat32(0, value), BigInt(view.getUint32(0)));

/** Kinds of operands: bits for an f or x register, in families whose members do something to each other. */
const FAMILIES: readonly ((random: Random) => bigint)[] = [
  (random) => random.pick(EDGES.d) + random.pick([0n, 0n, 1n, -1n]),
  (random) => BOX | (random.pick(EDGES.s) + random.pick([0n, 0n, 1n, -1n])),
  (random) => random.pick([0n, INFINITY.d, canonicalNan('d'), INFINITY.d + 1n]) | (random.bigint(1) << 63n),
  (random) => BOX | random.pick([0n, INFINITY.s, canonicalNan('s'), INFINITY.s + 1n]) | (random.bigint(1) << 31n),
  (random) => doubleBits(fewDigits(random) * 2 ** random.pick([0, 0, 51, 52, 53])),
  (random) => BOX | singleBits(fewDigits(random) * 2 ** random.pick([0, 0, 22, 23, 24])),
  (random) => (BigInt(1023 + random.below(60) - 30) << 52n) | random.bigint(52) | (random.bigint(1) << 63n),
  (random) => BOX | (BigInt(127 + random.below(30) - 15) << 23n) | random.bigint(23) | (random.bigint(1) << 31n),
  (random) => random.bigint(64),
  (random) => BOX | random.bigint(32),
  (random) => random.pick([0n, random.bigint(32) << 32n, 0xffff_fffen << 32n]) | random.pick(EDGES.s), // no box
  (random) => random.pick([1n, -1n]) * random.pick(INTEGER_EDGES) + random.pick([0n, 1n, -1n]),
];

/** Small multiples of small fractions: ties between whole numbers, and in sums and products of such. */
const fewDigits = (random: Random) => (random.below(63) - 31) / 2 ** random.below(4);

function operands(random: Random): Uint8Array {
  const families = Array.from({ length: OPERAND_COUNT / FAMILY_SIZE }, (_, n) => FAMILIES[n % FAMILIES.length]!);
  const bits = families.flatMap((family) => Array.from({ length: FAMILY_SIZE }, () => family(random)));
  return new Uint8Array(BigUint64Array.from(bits).buffer);
}

/** Offsets from TABLE of three operands for f registers, mostly of one family, and of one for an x register. */
function pickOperands(random: Random): { floats: number[]; integer: number } {
  const offset = (n: number) => 8 * (n - OPERAND_COUNT / 2);
  const family = random.below(OPERAND_COUNT / FAMILY_SIZE) * FAMILY_SIZE;
  const any = () => offset(random.below(OPERAND_COUNT));
  const related = () => (random.chance(80) ? offset(family + random.below(FAMILY_SIZE)) : any());
  return { floats: [related(), related(), related()], integer: any() };
}

/** All five modes, dynamic, and now and then a reserved one. */
const mode = (random: Random) => random.pick([0, 0, 1, 2, 3, 4, 7, 7, 7, random.below(8)]);

/** One instruction that reads f0 to f2 and x7 and writes f or x registers of this number. */
function operation(random: Random, fd: number, xd: number): number[] {
  const format: Format = random.pick(FORMATS);
  const rm = mode(random);
  switch (random.below(14)) {
    case 0:
    case 1:
    case 2:
      return [arithmetic(random.pick(keys(ARITHMETIC)), format, fd, 0, random.pick([0, 1]), rm)];
    case 3:
      return [fsqrt(format, fd, 0, rm)];
    case 4:
    case 5:
    case 6:
      return [fused(random.pick(keys(FUSED)), format, fd, [0, 1, random.pick([0, 2])], rm)];
    case 7:
      return [selection(random.pick(keys(SELECTIONS)), format, fd, 0, 1)];
    case 8:
      return [comparison(random.pick(keys(COMPARISONS)), format, xd, 0, random.pick([0, 1]))];
    case 9:
      return [random.pick([fcvt(format, fd, 0, rm), fcvtFromX(random.pick(keys(INTEGERS)), format, fd, INTEGER, rm)])];
    case 10:
      return [fcvtToX(random.pick(keys(INTEGERS)), format, xd, 0, rm)];
    case 11:
      return [random.pick([fclass(format, xd, 0), fmvToX(format, xd, 0), fmvFromX(format, fd, INTEGER)])];
    case 12:
      return memoryAccess(random, format, fd);
    default:
      return random.pick([[wild(random, fd, xd)], [wild(random, fd, xd)], whileOff(random, fd, xd)]);
  }
}

function memoryAccess(random: Random, format: Format, fd: number): number[] {
  const base = random.pick([ALIGNED, ODD]);
  const at = random.below(256) - 128;
  const double = random.below(32); // in doubles, as the compressed forms count
  const fields = ((double & 7) << 10) | ((double >> 3) << 5) | ((ALIGNED - 8) << 7);
  return random.pick([
    [fstore(format, random.below(32), base, at), fload(format, fd, base, at)],
    [fload(format, fd, base, at)],
    [fload(format, fd, 0, 8 * random.below(256))], // nothing is there
    [fstore(format, 0, 0, 8 * random.below(256))],
    [0xa000 | fields | (random.below(8) << 2)], // c.fsd
    [0x2000 | fields | (random.below(8) << 2)], // c.fld to f8 to f15
  ]);
}

/** Any bits below the floating-point opcodes; most are illegal. */
function wild(random: Random, fd: number, xd: number): number {
  const bits = random.bigint(32);
  const opcode = random.pick([0x53, 0x53, 0x53, 0x43, 0x47, 0x4b, 0x4f]);
  // Those that write x registers have 101x0 or 11x00 as funct5.
  const funct5 = Number(bits >> 27n);
  const toX = opcode === 0x53 && (funct5 === 20 || funct5 === 24 || funct5 === 28);
  return ((Number(bits) & ~0xfff) | ((toX ? xd : fd) << 7) | opcode) >>> 0;
}

/** With mstatus.FS off: illegal, whatever it is. */
function whileOff(random: Random, fd: number, xd: number): number[] {
  const instruction = random.pick([
    arithmetic('fadd', 'd', fd, 0, 1, 0),
    fclass('s', xd, 0),
    fload('d', fd, ALIGNED, 0),
    fstore('s', 0, ODD, 0),
    0x2000, // c.fld
    csrr(xd, 'fcsr'),
  ]);
  return [...li(SEEN, FS), csr('c', 0, 'mstatus', SEEN), instruction, csr('s', 0, 'mstatus', SEEN)];
}

/** Operands, an operation, and its exceptions shifted into a register of all of the block's. */
function steps(random: Random, n: number): Step[] {
  const { floats, integer } = pickOperands(random);
  const before = random.pick([BEFORE.none, BEFORE.nx, BEFORE.nx, BEFORE.all]);
  const frm = random.pick([0, 0, 0, 1, 2, 3, 4, random.below(8)]);
  return [
    ...floats.map((offset, f) => [fload('d', f, TABLE, offset)]),
    [i('ld', INTEGER, TABLE, integer)],
    [csri('w', 0, 'frm', frm)],
    [csri('w', 0, 'fflags', before)],
    operation(random, FIRST_F + n, FIRST_X + n),
    [csrr(SEEN, 'fflags'), shift('slli', EXCEPTIONS, EXCEPTIONS, 5), r('or', EXCEPTIONS, EXCEPTIONS, SEEN)],
  ];
}

/** Operations of F and D on edges of all kinds, with the exceptions that each one accrues. */
export function floatingPoint(seed: number, blocks: number): Program {
  const random = new Random(seed);
  const block = () => [
    li(TABLE, BigInt(OPERANDS + 4 * OPERAND_COUNT)),
    li(EXCEPTIONS, 0n),
    ...Array.from({ length: OPERATIONS }, (_, n) => steps(random, n)).flat(),
  ];
  return {
    setUp: [
      ...Array.from({ length: OPERATIONS }, (_, n) => [i('addi', FIRST_X + n, 0, 0)]), // QEMU leaves some set
      [...li(SEEN, FS), csr('s', 0, 'mstatus', SEEN)],
      li(ALIGNED, BigInt(DATA + 0x800)),
      li(ODD, BigInt(DATA + 0xffb)),
    ],
    blocks: Array.from({ length: blocks }, block),
    memory: [
      { address: DATA, bytes: random.bytes(0x2000) },
      { address: OPERANDS, bytes: operands(random) },
    ],
    float: true,
  };
}
