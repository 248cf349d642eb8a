/** Generated programs for a comparison of our hart with QEMU's: a seed always gives the same program. */
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
  csrw,
  i,
  jal,
  li,
  lui,
  r,
  s,
  sfence,
  shift,
  sizeOf,
  unary,
} from '../vmm/assembler.js';
import { DATA, type Program } from './program.js';

const keys = <T extends object>(table: T) => Object.keys(table) as (keyof T)[];

// ---- Straight-line code: everything that runs in M-mode without translation.

const EDGE_VALUES = [
  0n,
  1n,
  -1n,
  2n,
  31n,
  63n,
  64n,
  -2048n,
  2n ** 31n,
  -(2n ** 31n),
  2n ** 32n - 1n,
  2n ** 63n,
  2n ** 63n - 1n,
];
/** Point into the data, so they are never written: sp and s0 aligned, s1 near the end of a page and odd. */
const SP = 2;
const BASES = { [SP]: DATA + 0x100, 8: DATA + 0x800, 9: DATA + 0xffb };
const FREE = Array.from({ length: 32 }, (_, n) => n).filter((n) => !(n in BASES));
const LOADS = ['lb', 'lh', 'lw', 'ld', 'lbu', 'lhu', 'lwu'] as const;
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
      return [unary(random.pick(keys(UNARY_OPERATIONS)), rd, rs1)];
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
  const block = () => {
    const values = Array.from({ length: 31 }, (_, n) => {
      const base = BASES[(n + 1) as keyof typeof BASES];
      if (base) return li(n + 1, BigInt(base));
      return li(n + 1, random.below(2) ? random.pick(EDGE_VALUES) : random.bigint(random.pick([8, 32, 64])));
    });
    return [...values.flat(), ...Array.from({ length: 40 }, () => instruction(random)).flat()];
  };
  return {
    blocks: Array.from({ length: blocks }, block),
    memory: [{ address: DATA, bytes: random.bytes(0x2000) }],
  };
}

// ---- Sv39: loads, stores and AMOs of M-mode with MPRV set, through page tables of random entries.

const ROOT = 0x8014_0000;
const MIDDLE = 0x8014_1000;
const LEAVES = 0x8014_2000;
const NO_RAM = 0;
const [V, R, W, X, U, A, D] = [1, 2, 4, 8, 16, 64, 128] as const;
const MPRV = 1n << 17n;
const SUM = 1n << 18n;
const MXR = 1n << 19n;
const [A0, A1, A2, A3, A4] = [10, 11, 12, 13, 14] as const;

/** Every tenth page maps to nothing. Accesses there are aligned, since QEMU splits others in its own way. */
const isDevice = (page: number) => page % 10 === 9;
const entry = (address: number, flags: number) => (BigInt(address) >> 2n) | BigInt(flags);

function pageTables(random: Random): Uint8Array {
  const tables = new DataView(new ArrayBuffer(0x3000));
  const set = (table: number, index: number, value: bigint) =>
    tables.setBigUint64(table - ROOT + 8 * index, value, true);
  const flags = () => (random.below(12) ? V : 0) | (random.below(256) & ~V) | (random.below(4) ? R | A : 0);
  set(ROOT, 0, entry(MIDDLE, V));
  set(ROOT, 1, entry(0x8000_0000, flags() | R | V)); // a gigapage
  set(ROOT, 2, entry(MIDDLE, V | random.pick([0, A, D, U]))); // reserved bits of a pointer
  set(ROOT, 511, entry(MIDDLE, V));
  set(MIDDLE, 0, entry(LEAVES, V));
  set(MIDDLE, 1, entry(0x8000_0000, flags() | R | V)); // a megapage
  set(MIDDLE, 2, entry(0x8000_0000, V | R | W | X | U | A | D));
  set(MIDDLE, 3, entry(0x8000_1000, V | R | W | A | D)); // misaligned
  set(MIDDLE, 4, entry(0x8000_0000, V | R | A) | (1n << BigInt(54 + random.below(10)))); // reserved
  for (let page = 0; page < 64; page++) {
    set(LEAVES, page, entry(isDevice(page) ? NO_RAM : DATA + 0x1000 * random.below(2), flags()));
  }
  return new Uint8Array(tables.buffer);
}

/** An address, and whether it leads to RAM if it leads anywhere. */
function virtualAddress(random: Random): { va: bigint; ram: boolean } {
  const offset = random.pick([0, 8, 0xff8, 0xffc, 0xffd, 0xfff, random.below(4096), random.below(512) * 8]);
  const inData = DATA - 0x8000_0000 + offset;
  const page = random.below(64);
  const inPage = 0x1000 * page + (isDevice(page) ? offset & 0xff8 : offset);
  switch (random.below(10)) {
    case 0:
      return { va: 0x4000_0000n + BigInt(inData), ram: true }; // through the gigapage
    case 1:
      return { va: 0x20_0000n + BigInt(inData), ram: true }; // through the megapages
    case 2:
      return { va: BigInt(random.pick([2, 3, 4]) * 0x20_0000 + inData), ram: true };
    case 3:
      return { va: 0x8020_0000n + BigInt(inData), ram: true }; // through a pointer with reserved bits, perhaps
    case 4:
      return { va: random.pick([0xc000_0000n, 0xffff_ffc0_0000_0000n, 1n << 38n, 1n << 63n]), ram: true };
    case 5:
      return { va: 0xffff_ffff_c000_0000n + BigInt(inPage), ram: !isDevice(page) };
    default:
      return { va: BigInt(inPage), ram: !isDevice(page) };
  }
}

export function translated(seed: number, blocks: number): Program {
  const random = new Random(seed);
  const access = () => {
    const mode = BigInt(random.below(2)) << 11n; // U or S in MPP
    const rules = MPRV | mode | (random.below(2) ? SUM : 0n) | (random.below(2) ? MXR : 0n);
    const { va, ram } = virtualAddress(random);
    const instructions = [
      i(random.pick(LOADS), A2, A0, 0),
      i(random.pick(LOADS), A2, A0, 0),
      s(random.pick(keys(STORES)), A3, A0, 0),
      s(random.pick(keys(STORES)), A3, A0, 0),
      // AMOs to devices are an access fault here; QEMU takes them apart.
      amo(random.pick(['amoadd', 'amoswap', 'amomaxu', 'lr']), random.pick(['w', 'd']), A2, A0, 0),
    ];
    const fence = random.pick([[], [], [sfence()], [sfence(A0)]]);
    // MPP becomes 3 by a trap and 0 by the return from it: start from 0 each time.
    return [
      ...li(A4, 0x1800n | MPRV | SUM | MXR),
      csr('c', 0, 'mstatus', A4),
      ...fence,
      ...li(A0, va),
      ...li(A1, rules),
      ...li(A3, random.bigint(64)),
      csr('s', 0, 'mstatus', A1),
      random.pick(ram ? instructions : instructions.slice(0, 4)),
      csr('c', 0, 'mstatus', A4),
    ];
  };
  const allMemory = [...li(A0, 2n ** 54n - 1n), csrw('pmpaddr0', A0), ...li(A0, 0x1fn), csrw('pmpcfg0', A0)];
  const satp = [...li(A0, (8n << 60n) | BigInt(ROOT >>> 12)), csrw('satp', A0), sfence()];
  return {
    setUp: [...allMemory, ...satp, ...li(A2, 0n)],
    blocks: Array.from({ length: blocks }, () => Array.from({ length: 8 }, access).flat()),
    memory: [
      { address: DATA, bytes: random.bytes(0x2000) },
      { address: ROOT, bytes: pageTables(random) },
    ],
    printed: [{ address: ROOT, size: 0x3000 }], // accessed and dirty bits
  };
}
