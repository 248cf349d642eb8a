/** From the bits of 32-bit instructions (compressed ones are expanded before) to actions. Unprivileged spec, chapter 34. */
import { FLOAT_OPCODE, decodeFloat } from './float-decode.js';
import type { Action, AtomicOperation, Condition, Operation, Width } from './instruction.js';

/** Major opcodes: bits 2 to 6. */
const OPCODE = {
  load: 0x00,
  miscMem: 0x03,
  opImm: 0x04,
  auipc: 0x05,
  opImm32: 0x06,
  store: 0x08,
  amo: 0x0b,
  op: 0x0c,
  lui: 0x0d,
  op32: 0x0e,
  branch: 0x18,
  jalr: 0x19,
  jal: 0x1b,
} as const;

/** By funct7 and funct3: bits 25 to 31 above bits 12 to 14. */
const selector = (funct7: number, funct3: number) => (funct7 << 3) | funct3;

function select<T extends string>(groups: Record<number, readonly (T | undefined)[]>): ReadonlyMap<number, T> {
  const names = new Map<number, T>();
  for (const [funct7, group] of Object.entries(groups)) {
    group.forEach((name, funct3) => name && names.set(selector(Number(funct7), funct3), name));
  }
  return names;
}

const REGISTER = select<Operation>({
  0x00: ['add', 'sll', 'slt', 'sltu', 'xor', 'srl', 'or', 'and'],
  0x01: ['mul', 'mulh', 'mulhsu', 'mulhu', 'div', 'divu', 'rem', 'remu'],
  0x05: [undefined, undefined, undefined, undefined, 'min', 'minu', 'max', 'maxu'],
  0x10: [undefined, undefined, 'sh1add', undefined, 'sh2add', undefined, 'sh3add'],
  0x14: [undefined, 'bset'],
  0x20: ['sub', undefined, undefined, undefined, 'xnor', 'sra', 'orn', 'andn'],
  0x24: [undefined, 'bclr', undefined, undefined, undefined, 'bext'],
  0x30: [undefined, 'rol', undefined, undefined, undefined, 'ror'],
  0x34: [undefined, 'binv'],
});
const REGISTER_WORD = select<Operation>({
  0x00: ['addw', 'sllw', undefined, undefined, undefined, 'srlw'],
  0x01: ['mulw', undefined, undefined, undefined, 'divw', 'divuw', 'remw', 'remuw'],
  0x04: ['add.uw'],
  0x10: [undefined, undefined, 'sh1add.uw', undefined, 'sh2add.uw', undefined, 'sh3add.uw'],
  0x20: ['subw', undefined, undefined, undefined, undefined, 'sraw'],
  0x30: [undefined, 'rolw', undefined, undefined, undefined, 'rorw'],
});
/** By what is above the amount, six bits of which are the instruction's: to the left (funct3 1), to the right (5). */
const SHIFTS_LEFT: Record<number, Operation> = { 0x00: 'sll', 0x0a: 'bset', 0x12: 'bclr', 0x1a: 'binv' };
const SHIFTS_RIGHT: Record<number, Operation> = { 0x00: 'srl', 0x10: 'sra', 0x12: 'bext', 0x18: 'ror' };
/** The same of words, with five bits. */
const WORD_SHIFTS_RIGHT: Record<number, Operation> = { 0x00: 'srlw', 0x20: 'sraw', 0x30: 'rorw' };
/** On one register, by bits 20 to 31 above funct3. */
const UNARY: ReadonlyMap<number, Operation> = new Map([
  [0x6001, 'clz'],
  [0x6011, 'ctz'],
  [0x6021, 'cpop'],
  [0x6041, 'sext.b'],
  [0x6051, 'sext.h'],
  [0x2875, 'orc.b'],
  [0x6b85, 'rev8'],
]);
const UNARY_WORD: ReadonlyMap<number, Operation> = new Map([
  [0x6001, 'clzw'],
  [0x6011, 'ctzw'],
  [0x6021, 'cpopw'],
]);
const ZEXT_H = 0x0804;
const unarySelector = (insn: number, funct3: number) => ((insn >>> 20) << 4) | funct3;

/** By funct3; shifts are told apart by what is above the amount. */
const IMMEDIATE = ['add', undefined, 'slt', 'sltu', 'xor', undefined, 'or', 'and'] as const;
const CONDITIONS = ['beq', 'bne', undefined, undefined, 'blt', 'bge', 'bltu', 'bgeu'] as const;
/** By funct5. Minimum and maximum, which nobody is in a hurry for, are left out. */
const ATOMICS: ReadonlyMap<number, AtomicOperation> = new Map([
  [0, 'amoadd'],
  [1, 'amoswap'],
  [2, 'lr'],
  [3, 'sc'],
  [4, 'amoxor'],
  [8, 'amoor'],
  [12, 'amoand'],
]);

/** Bits 20 to 31 of MISC-MEM with funct3 2. The other cache-block operations are rare. */
const CBO_ZERO = 4;

const INTERPRET: Action = { kind: 'interpret' };

/** What an instruction does, `interpret` for everything that is not translated. */
export function decode(insn: number): Action {
  if ((insn & 3) !== 3) return INTERPRET;
  const rd = (insn >>> 7) & 31;
  const funct3 = (insn >>> 12) & 7;
  const rs1 = (insn >>> 15) & 31;
  const rs2 = (insn >>> 20) & 31;
  const upper = (insn & 0xffff_f000) | 0;
  switch ((insn >>> 2) & 31) {
    case OPCODE.load:
      return decodeLoad(funct3, rd, rs1, insn >> 20);
    case OPCODE.store:
      if (funct3 > 3) return INTERPRET;
      return { kind: 'store', width: (1 << funct3) as Width, rs1, rs2, immediate: ((insn >> 20) & ~31) | rd };
    case OPCODE.lui:
      return { kind: 'constant', rd, immediate: upper };
    case OPCODE.auipc:
      return { kind: 'address', rd, immediate: upper };
    case OPCODE.opImm:
      return decodeImmediate(insn, funct3, rd, rs1);
    case OPCODE.opImm32:
      return decodeImmediateWord(insn, funct3, rd, rs1);
    case OPCODE.op:
      return compute(REGISTER.get(selector(insn >>> 25, funct3)), rd, rs1, rs2);
    case OPCODE.op32:
      if (unarySelector(insn, funct3) === ZEXT_H)
        return { kind: 'computeImmediate', operation: 'zext.h', rd, rs1, immediate: 0 };
      return compute(REGISTER_WORD.get(selector(insn >>> 25, funct3)), rd, rs1, rs2);
    case OPCODE.branch: {
      const condition: Condition | undefined = CONDITIONS[funct3];
      return condition ? { kind: 'branch', condition, rs1, rs2, immediate: immediateB(insn) } : INTERPRET;
    }
    case OPCODE.jal:
      return { kind: 'jump', rd, immediate: immediateJ(insn) };
    case OPCODE.jalr:
      return funct3 === 0 ? { kind: 'jumpRegister', rd, rs1, immediate: insn >> 20 } : INTERPRET;
    case OPCODE.miscMem:
      if (funct3 === 2 && rd === 0 && insn >>> 20 === CBO_ZERO) return { kind: 'zeroBlock', rs1 };
      return funct3 === 0 ? { kind: 'fence' } : INTERPRET;
    case OPCODE.amo:
      return decodeAtomic(insn >>> 27, funct3, rd, rs1, rs2);
    case FLOAT_OPCODE.load:
    case FLOAT_OPCODE.store:
    case FLOAT_OPCODE.madd:
    case FLOAT_OPCODE.msub:
    case FLOAT_OPCODE.nmsub:
    case FLOAT_OPCODE.nmadd:
    case FLOAT_OPCODE.op:
    case FLOAT_OPCODE.system:
      return decodeFloat(insn) ?? INTERPRET;
    default:
      return INTERPRET;
  }
}

function compute(operation: Operation | undefined, rd: number, rs1: number, rs2: number): Action {
  return operation ? { kind: 'compute', operation, rd, rs1, rs2 } : INTERPRET;
}

function decodeLoad(funct3: number, rd: number, rs1: number, immediate: number): Action {
  if (funct3 === 7) return INTERPRET;
  return { kind: 'load', width: (1 << (funct3 & 3)) as Width, signed: funct3 < 4, rd, rs1, immediate };
}

function decodeImmediate(insn: number, funct3: number, rd: number, rs1: number): Action {
  const operation = IMMEDIATE[funct3];
  if (operation === 'add' && rs1 === 0) return { kind: 'constant', rd, immediate: insn >> 20 };
  if (operation) return { kind: 'computeImmediate', operation, rd, rs1, immediate: insn >> 20 };
  const unary = UNARY.get(unarySelector(insn, funct3));
  if (unary) return { kind: 'computeImmediate', operation: unary, rd, rs1, immediate: 0 };
  return shift(insn >>> 26, funct3 === 1 ? SHIFTS_LEFT : SHIFTS_RIGHT, rd, rs1, (insn >>> 20) & 63);
}

function decodeImmediateWord(insn: number, funct3: number, rd: number, rs1: number): Action {
  if (funct3 === 0) return { kind: 'computeImmediate', operation: 'addw', rd, rs1, immediate: insn >> 20 };
  if (funct3 !== 1 && funct3 !== 5) return INTERPRET;
  if (funct3 === 5) return shift(insn >>> 25, WORD_SHIFTS_RIGHT, rd, rs1, (insn >>> 20) & 31);
  const unary = UNARY_WORD.get(unarySelector(insn, funct3));
  if (unary) return { kind: 'computeImmediate', operation: unary, rd, rs1, immediate: 0 };
  if (insn >>> 26 === 2) return shift(0, { 0: 'slli.uw' }, rd, rs1, (insn >>> 20) & 63);
  return shift(insn >>> 25, { 0: 'sllw' }, rd, rs1, (insn >>> 20) & 31);
}

function shift(upper: number, operations: Record<number, Operation>, rd: number, rs1: number, amount: number): Action {
  const operation = operations[upper];
  return operation ? { kind: 'computeImmediate', operation, rd, rs1, immediate: amount } : INTERPRET;
}

function decodeAtomic(funct5: number, funct3: number, rd: number, rs1: number, rs2: number): Action {
  const operation = ATOMICS.get(funct5);
  if (!operation || (funct3 !== 2 && funct3 !== 3) || (operation === 'lr' && rs2 !== 0)) return INTERPRET;
  return { kind: 'atomic', operation, width: funct3 === 2 ? 4 : 8, rd, rs1, rs2 };
}

function immediateB(insn: number): number {
  return ((insn >> 31) << 12) | ((insn << 4) & 0x800) | ((insn >>> 20) & 0x7e0) | ((insn >>> 7) & 0x1e);
}

function immediateJ(insn: number): number {
  return ((insn >> 31) << 20) | (insn & 0xf_f000) | ((insn >>> 9) & 0x800) | ((insn >>> 20) & 0x7fe);
}
