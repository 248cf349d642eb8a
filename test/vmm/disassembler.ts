/** From machine code to assembly, for messages of tests: what assembler.ts can encode; anything else as data. */
import {
  ATOMICS,
  BRANCHES,
  CACHE_BLOCKS,
  CSRS,
  IMMEDIATE_OPERATIONS,
  REGISTER_OPERATIONS,
  SHIFTS,
  STORES,
  UNARY_OPERATIONS,
} from './assembler.js';

export const REGISTER_NAMES = [
  ...['zero', 'ra', 'sp', 'gp', 'tp', 't0', 't1', 't2', 's0', 's1'],
  ...Array.from({ length: 8 }, (_, n) => `a${n}`),
  ...Array.from({ length: 10 }, (_, n) => `s${n + 2}`),
  ...['t3', 't4', 't5', 't6'],
];

const FIXED: Record<number, string> = {
  0x0000_0073: 'ecall',
  0x0010_0073: 'ebreak',
  0x1020_0073: 'sret',
  0x3020_0073: 'mret',
  0x1050_0073: 'wfi',
  0x0ff0_000f: 'fence',
  0x0000_100f: 'fence.i',
};

/** Fields of an instruction. */
interface Fields {
  readonly insn: number;
  readonly opcode: number;
  readonly funct3: number;
  readonly funct7: number;
  readonly rd: string;
  readonly rs1: string;
  readonly rs2: string;
  /** Bits 20 to 31, signed. */
  readonly imm: number;
}

/** One line, such as `addi a0, sp, 8`. Offsets of jumps and branches are in bytes from the instruction. */
export function disassemble(insn: number): string {
  if ((insn & 3) !== 3) return `.half 0x${insn.toString(16).padStart(4, '0')}`;
  const register = (at: number) => REGISTER_NAMES[(insn >>> at) & 31]!;
  const fields = {
    insn,
    opcode: insn & 0x7f,
    funct3: (insn >>> 12) & 7,
    funct7: insn >>> 25,
    rd: register(7),
    rs1: register(15),
    rs2: register(20),
    imm: insn >> 20,
  };
  return FIXED[insn >>> 0] ?? byOpcode(fields) ?? `.word 0x${(insn >>> 0).toString(16).padStart(8, '0')}`;
}

function byOpcode(fields: Fields): string | undefined {
  const { insn, opcode, rd, rs1 } = fields;
  switch (opcode) {
    case 0x13:
    case 0x1b:
    case 0x33:
    case 0x3b:
      return operation(fields);
    case 0x03:
    case 0x67: {
      const name = find(IMMEDIATE_OPERATIONS, ([code, funct3]) => code === opcode && funct3 === fields.funct3);
      return name && `${name} ${rd}, ${fields.imm}(${rs1})`;
    }
    case 0x23: {
      const name = find(STORES, (funct3) => funct3 === fields.funct3);
      const offset = ((insn >> 20) & ~31) | ((insn >> 7) & 31);
      return name && `${name} ${fields.rs2}, ${offset}(${rs1})`;
    }
    case 0x63: {
      const name = find(BRANCHES, (funct3) => funct3 === fields.funct3);
      const low = ((insn << 4) & 0x800) | ((insn >>> 20) & 0x7e0) | ((insn >>> 7) & 0x1e);
      return name && `${name} ${rs1}, ${fields.rs2}, ${from((insn >> 31) << 12, low)}`;
    }
    case 0x6f: {
      const low = (insn & 0xff000) | ((insn >>> 9) & 0x800) | ((insn >>> 20) & 0x7fe);
      return `jal ${rd}, ${from((insn >> 31) << 20, low)}`;
    }
    case 0x37:
    case 0x17:
      return `${opcode === 0x37 ? 'lui' : 'auipc'} ${rd}, 0x${(insn >>> 12).toString(16)}`;
    case 0x2f:
      return atomic(fields);
    case 0x0f: {
      const name = find(CACHE_BLOCKS, (code) => fields.funct3 === 2 && code === insn >>> 20);
      return name && `${name} 0(${rs1})`;
    }
    case 0x73:
      return system(fields);
    default:
      return undefined;
  }
}

const from = (high: number, low: number) => `. ${(high | low) < 0 ? '-' : '+'} ${Math.abs(high | low)}`;

function operation({ insn, opcode, funct3, funct7, rd, rs1, rs2, imm }: Fields): string | undefined {
  const unary = find(
    UNARY_OPERATIONS,
    ([code, f3, upper]) => code === opcode && f3 === funct3 && upper === insn >>> 20,
  );
  if (unary) return `${unary} ${rd}, ${rs1}`;
  const register = find(REGISTER_OPERATIONS, ([code, f3, f7]) => code === opcode && f3 === funct3 && f7 === funct7);
  if (register) return `${register} ${rd}, ${rs1}, ${rs2}`;
  const shift = find(SHIFTS, ([code, f3, upper, width]) => {
    return code === opcode && f3 === funct3 && upper >>> width === insn >>> (20 + width);
  });
  if (shift) return `${shift} ${rd}, ${rs1}, ${(insn >>> 20) & ((1 << SHIFTS[shift][3]) - 1)}`;
  const immediate = find(IMMEDIATE_OPERATIONS, ([code, f3]) => code === opcode && f3 === funct3);
  return immediate && `${immediate} ${rd}, ${rs1}, ${imm}`;
}

function atomic({ insn, funct3, rd, rs1, rs2 }: Fields): string | undefined {
  const name = find(ATOMICS, (funct5) => funct5 === insn >>> 27);
  const width = { 2: 'w', 3: 'd' }[funct3];
  if (!name || !width) return undefined;
  return name === 'lr' ? `lr.${width} ${rd}, (${rs1})` : `${name}.${width} ${rd}, ${rs2}, (${rs1})`;
}

function system({ insn, funct3, funct7, rd, rs1, rs2 }: Fields): string | undefined {
  if (funct3 === 0) return funct7 === 9 && rd === 'zero' ? `sfence.vma ${rs1}, ${rs2}` : undefined;
  const number = insn >>> 20;
  const csr = find(CSRS, (each) => each === number) ?? `0x${number.toString(16)}`;
  const name = ['', 'csrrw', 'csrrs', 'csrrc', '', 'csrrwi', 'csrrsi', 'csrrci'][funct3]!;
  return name && `${name} ${rd}, ${csr}, ${funct3 > 4 ? (insn >>> 15) & 31 : rs1}`;
}

/** The first key whose value fits. */
function find<K extends string, V>(table: Readonly<Record<K, V>>, fits: (value: V) => boolean): K | undefined {
  return (Object.keys(table) as K[]).find((key) => fits(table[key]));
}
