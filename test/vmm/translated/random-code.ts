/** Random programs with loops, branches, calls and traps, for comparisons of two ways to execute them. */
import { RAM_BASE } from '../../../libs/vmm/layout.js';
import type { Random } from '../../random.js';
import {
  BRANCHES,
  FENCE,
  IMMEDIATE_OPERATIONS,
  MRET,
  REGISTER_OPERATIONS,
  SHIFTS,
  STORES,
  UNARY_OPERATIONS,
  amo,
  auipc,
  b,
  csr,
  csrr,
  csrw,
  i,
  jal,
  li,
  lui,
  r,
  s,
  shift,
  sizeOf,
  unary,
} from '../assembler.js';
import type { TestMachine } from '../machine.js';

/** Where the program begins; its blocks fill a part of that page. */
export const CODE = RAM_BASE + 0x1000;
const HANDLER = RAM_BASE;
const DATA = RAM_BASE + 0x1_0000;
/** Point to data, near the end of a page, and to nothing; never written. */
const BASES: Readonly<Record<number, number>> = { 8: DATA + 0x800, 9: DATA + 0xffb, 2: 0x4000_0000 };
/** Written by calls alone, so that a return leads somewhere. */
const RETURN_ADDRESS = 1;
export const FREE = Array.from({ length: 30 }, (_, n) => n).filter((n) => !(n in BASES) && n !== RETURN_ADDRESS);
const VALUES = [0n, 1n, -1n, 2n ** 31n, -(2n ** 31n), 2n ** 63n, 2n ** 63n - 1n, 0xffff_ffffn];
const LOADS = ['lb', 'lh', 'lw', 'ld', 'lbu', 'lhu', 'lwu'] as const;
const ATOMICS = ['lr', 'sc', 'sc', 'amoswap', 'amoadd', 'amoxor', 'amoand', 'amoor', 'amomin', 'amomaxu'] as const;

const keys = <T extends object>(table: T) => Object.keys(table) as (keyof T)[];

/** Counts traps in x31, skips the instruction that trapped, uses x30. */
const TRAP_HANDLER = [
  i('addi', 31, 31, 1),
  csrr(30, 'mepc'),
  i('lhu', 30, 30, 0),
  i('andi', 30, 30, 3),
  i('sltiu', 30, 30, 3),
  shift('slli', 30, 30, 1),
  i('addi', 30, 30, -4), // minus the length of the instruction
  csrw('mscratch', 30),
  csrr(30, 'mepc'),
  csrw('sscratch', 30),
  csrr(30, 'mscratch'),
  csrr(31, 'sscratch'),
  r('sub', 30, 31, 30),
  csrw('mepc', 30),
  MRET,
];

export interface RandomProgram {
  /** Puts it into the machine's RAM and the hart at its beginning, with the same values each time. */
  load(machine: TestMachine): void;
}

/** `instruction` gives one instruction, or a few that belong together; they may write the registers of FREE. */
export function randomProgram(random: Random, instruction = integerInstruction): RandomProgram {
  const blocks = Array.from({ length: random.below(9) + 2 }, () => body(random, instruction));
  const ends = blocks.map(() => random.below(9));
  // The places of the blocks must be known before the jumps between them can be written: each end takes 8 bytes.
  const places: number[] = [];
  let size = 0;
  for (const block of blocks) {
    places.push(size);
    size += sizeOf(block) + 8;
  }
  const code = blocks.flatMap((block, index) => {
    const at = places[index]! + sizeOf(block);
    return [...block, ...endOf(random, ends[index]!, random.pick(places) - at, random.pick(places) - at - 4)];
  });
  const values = FREE.map((register) => ({
    register,
    value: random.chance(50) ? random.pick(VALUES) : random.bigint(64),
  }));
  const data = random.bytes(0x2000);
  return {
    load(machine) {
      machine.load(TRAP_HANDLER, HANDLER);
      machine.load(code, CODE);
      machine.loadBytes(data, DATA);
      const { hart } = machine;
      hart.fence();
      hart.setCsr(0x305, BigInt(HANDLER));
      for (const { register, value } of values) hart.setX(register, BigInt.asUintN(64, value));
      for (const [register, value] of Object.entries(BASES)) hart.setX(Number(register), BigInt(value));
      hart.setX(RETURN_ADDRESS, BigInt(CODE));
      hart.pc = BigInt(CODE);
    },
  };
}

function body(random: Random, instruction: typeof integerInstruction): number[] {
  const instructions = Array.from({ length: random.below(7) }, () => instruction(random)).flat();
  return sizeOf(instructions) % 4 === 0 ? instructions : [...instructions, 0x0001]; // C.NOP
}

export function integerInstruction(random: Random): number | number[] {
  const [rd, rs1, rs2] = [random.pick(FREE), random.below(32), random.below(32)];
  const base = random.pick([8, 8, 8, 8, 9, 2]);
  const offset = random.pick([0, 8, -8, 16, random.below(64) - 32]);
  switch (random.below(12)) {
    case 0:
      return i(random.pick(LOADS), rd, base, offset);
    case 1:
      return s(random.pick(keys(STORES)), rs2, base, offset);
    case 2:
      return random.chance(50)
        ? amo(random.pick(ATOMICS), random.pick(['w', 'd']), rd, base, rs2)
        : [amo('lr', random.pick(['w', 'd']), rd, 8, 0), amo('sc', random.pick(['w', 'd']), 5, 8, rs2)];
    case 3: {
      const name = random.pick(keys(IMMEDIATE_OPERATIONS).filter((n) => n !== 'jalr' && !LOADS.some((l) => l === n)));
      return i(name, rd, rs1, random.below(4096) - 2048);
    }
    case 4:
      return shift(random.pick(keys(SHIFTS)), rd, rs1, random.below(64));
    case 5:
      return random.pick([lui(rd, random.below(0x10_0000)), auipc(rd, random.below(0x10_0000)), FENCE]);
    case 6:
      return random.pick([csrr(rd, 'minstret'), csr('w', rd, 'sscratch', rs1), 0xffff_ffff]);
    case 7:
      return 0x0001 | (random.pick([10, 11, 12]) << 7) | (random.below(32) << 2); // C.ADDI
    case 8:
      return random.chance(50) ? li(rd, random.pick(VALUES)) : unary(random.pick(keys(UNARY_OPERATIONS)), rd, rs1);
    default:
      return r(random.pick(keys(REGISTER_OPERATIONS)), rd, rs1, rs2);
  }
}

/** 8 bytes that lead to two places, given as distances from the first and the second instruction. */
function endOf(random: Random, kind: number, first: number, second: number): number[] {
  if (kind < 5) {
    const branch = b(random.pick(keys(BRANCHES)), random.below(32), random.below(32), first);
    return [branch, random.chance(30) ? i('addi', 31, 31, 0) : jal(0, second)];
  }
  if (kind === 5) return [jal(RETURN_ADDRESS, first), jal(0, second)];
  if (kind === 6) return [auipc(5, 0), i('jalr', random.pick([0, 1, 5]), 5, first)];
  if (kind === 7) return [i('jalr', 0, RETURN_ADDRESS, 0), jal(0, second)];
  return [i('addi', 30, 30, 1), jal(0, second)];
}
