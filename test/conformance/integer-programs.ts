/** Programs of straight-line code with every integer instruction, in M-mode; a seed always gives the same program. */
import { Random } from '../random.js';
import {
  ATOMICS,
  BRANCHES,
  CSRS,
  type Csr,
  EBREAK,
  ECALL,
  FENCE,
  FENCE_I,
  IMMEDIATE_OPERATIONS,
  REGISTER_OPERATIONS,
  SHIFTS,
  STORES,
  UNARY_OPERATIONS,
  amo,
  auipc,
  b,
  csr,
  csri,
  i,
  jal,
  li,
  lui,
  r,
  s,
  shift,
  sizeOf,
  unary,
} from '../vmm/assembler.js';
import { EDGE_VALUES, LOADS, keys } from './generating.js';
import { DATA, type Program, type Step } from './program.js';

/** Point into the data, so they are never written: sp and s0 aligned, s1 near the end of a page and odd. */
const SP = 2;
const BASES = { [SP]: DATA + 0x100, 8: DATA + 0x800, 9: DATA + 0xffb };
const FREE = Array.from({ length: 32 }, (_, n) => n).filter((n) => !(n in BASES));
/** CSRs that hold what is written into them, on both sides (QEMU 7.2 keeps bit 0 of mepc and sepc, the spec does not). */
const PLAIN_CSRS = ['sscratch', 'scause', 'stval', 'mcause', 'mtval'] as const satisfies Csr[];
const ILLEGAL = [
  0xffff_ffff,
  0x0000_007f,
  0x0000_0053, // fadd.s while floating point is off
  0x0002_b507, // fld
  0x4000_1013 | (5 << 7), // slli with a reserved upper field
  0x0800_5013,
  0x8000_0033, // reserved funct7
  0x0000_4073, // funct3 4 of SYSTEM
  0x8ff0_1073, // a CSR that does not exist
  (CSRS.mhartid << 20) | 0x1073, // read-only
  0x1010_0073,
  0x0010_202f | (2 << 27), // lr.w with rs2
  0x0000_002f, // amoadd.b
  0x2800_202f,
  0x0000_3063, // reserved branch
  0x0000_7003, // reserved load
  0x0000_4023, // reserved store
].map((bits) => bits >>> 0);

/** But CTZW, for which QEMU 7.2 counts on in the upper half where the lower one is zero. */
const UNARY = keys(UNARY_OPERATIONS).filter((name) => name !== 'ctzw');

const isBase = (register: number) => register in BASES;

/** True if a 16-bit instruction neither jumps nor touches the bases nor accesses memory but through them. */
function isTame(c: number): boolean {
  const funct3 = c >> 13;
  const low = ((c >> 2) & 7) + 8;
  const high = ((c >> 7) & 7) + 8;
  const rd = (c >> 7) & 31;
  switch (c & 3) {
    case 0:
      if (funct3 === 0) return !isBase(low);
      if (funct3 === 2 || funct3 === 3) return isBase(high) && !isBase(low);
      return funct3 < 6 || isBase(high);
    case 1:
      if (funct3 === 4) return !isBase(high);
      return funct3 < 4 && !isBase(rd);
    case 2:
      if (funct3 === 4 && ((c >> 2) & 31) === 0) return rd === 0;
      return funct3 > 4 || !isBase(rd);
    default:
      return false;
  }
}

function compressed(random: Random): number {
  for (;;) {
    const c = random.below(0x1_0000);
    if (isTame(c)) return c;
  }
}

function dataOffset(random: Random): number {
  return random.pick([0, 8, 16, -8, random.below(128) - 64, random.below(512) - 256]);
}

/** One instruction, or a few that belong together. */
function instruction(random: Random): number[] {
  const rd = random.pick(FREE);
  const rs1 = random.below(32);
  const rs2 = random.below(32);
  const base = random.pick([SP, 8, 9]);
  switch (random.below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return [r(random.pick(keys(REGISTER_OPERATIONS)), rd, rs1, rs2)];
    case 18:
      return [unary(random.pick(UNARY), rd, rs1)];
    case 4:
    case 5: {
      const name = random.pick(keys(IMMEDIATE_OPERATIONS).filter((key) => key !== 'jalr' && !key.startsWith('l')));
      return [i(name, rd, rs1, random.below(4096) - 2048)];
    }
    case 6:
      return [shift(random.pick(keys(SHIFTS)), rd, rs1, random.below(64))];
    case 7:
      return [random.pick([lui, auipc])(rd, random.below(0x10_0000))];
    case 8:
    case 9:
      return [i(random.pick(LOADS), rd, base, dataOffset(random))];
    case 10:
    case 11:
      return [s(random.pick(keys(STORES)), rs2, base, dataOffset(random))];
    case 12: {
      const name = random.pick(keys(ATOMICS).filter((key) => key !== 'sc' && key !== 'lr'));
      return [amo(name, random.pick(['w', 'd']), rd, random.pick([SP, 8, 8, 9]), rs2)];
    }
    case 13: {
      const width = random.pick(['w', 'd'] as const);
      const between = random.pick([[], [s('sw', rs2, 8, 0)], [i('addi', rd, rs1, 1)]]);
      return [amo('lr', width, rd, 8, 0), ...between, amo('sc', width, random.pick(FREE), 8, rs2)];
    }
    case 14: {
      const skipped = [compressed(random)];
      return [b(random.pick(keys(BRANCHES)), rs1, rs2, 4 + sizeOf(skipped)), ...skipped];
    }
    case 15:
      return random.pick([
        [jal(rd, 6), compressed(random)],
        [i('addi', 31, 0, 0), auipc(30, 0), i('jalr', rd, 30, 11), compressed(random), compressed(random)],
      ]);
    case 16: {
      const operation = random.pick(['w', 's', 'c'] as const);
      const name = random.pick(PLAIN_CSRS);
      return [random.pick([csr, csri])(operation, rd, name, rs1)];
    }
    case 17:
      return random.pick([
        [random.pick(ILLEGAL)],
        [ECALL],
        [EBREAK],
        [FENCE, FENCE_I],
        [i(random.pick(LOADS), rd, 0, 8 * random.below(256))], // nothing is there
        [s(random.pick(keys(STORES)), rs2, 0, 8 * random.below(256))],
        [amo('lr', 'd', rd, 9, 0)], // misaligned
      ]);
    default:
      return [compressed(random), compressed(random)];
  }
}

export function straightLine(seed: number, blocks: number): Program {
  const random = new Random(seed);
  const block = (): Step[] => {
    const values = Array.from({ length: 31 }, (_, n) => {
      const base = BASES[(n + 1) as keyof typeof BASES];
      if (base) return li(n + 1, BigInt(base));
      return li(n + 1, random.below(2) ? random.pick(EDGE_VALUES) : random.bigint(random.pick([8, 32, 64])));
    });
    return [...values, ...Array.from({ length: 40 }, () => instruction(random))];
  };
  return {
    blocks: Array.from({ length: blocks }, block),
    memory: [{ address: DATA, bytes: random.bytes(0x2000) }],
  };
}
