/** From the bits of instructions of F and D to actions. Unprivileged spec, chapter 34. */
import type {
  CsrOperation,
  FloatAction,
  FloatCondition,
  FloatFormat,
  FloatOperation,
  IntegerKind,
  SignOperation,
  ToWhole,
} from './float-instruction.js';

/** Major opcodes: bits 2 to 6. */
export const FLOAT_OPCODE = {
  load: 0x01,
  store: 0x09,
  madd: 0x10,
  msub: 0x11,
  nmsub: 0x12,
  nmadd: 0x13,
  op: 0x14,
  /** Of which the CSRs of floating point are translated. */
  system: 0x1c,
} as const;

/** funct5, bits 27 to 31 of OP-FP. */
const OPERATIONS: readonly FloatOperation[] = ['add', 'sub', 'mul', 'div'];
const SIGN = 4;
const MIN_MAX = 5;
const CONVERT = 8;
const ROOT = 11;
const COMPARE = 20;
const TO_INTEGER = 24;
const FROM_INTEGER = 26;
const TO_X = 28;
const FROM_X = 30;

const FORMATS: readonly FloatFormat[] = ['s', 'd'];
const SIGNS: readonly SignOperation[] = ['copy', 'negate', 'xor'];
const CONDITIONS: readonly FloatCondition[] = ['le', 'lt', 'eq'];
const INTEGERS: readonly IntegerKind[] = ['w', 'wu', 'l', 'lu'];
const TO_WHOLE: readonly ToWhole[] = ['nearest', 'trunc', 'floor', 'ceil', 'awayFromZero'];
const NEAREST = 0;
const DYNAMIC = 7;
/** By funct3; those from 5 on have a constant instead of a register. */
const CSR_OPERATIONS: readonly (CsrOperation | undefined)[] = [undefined, 'write', 'set', 'clear'];
/** fflags, frm, fcsr, which are CSRs 1 to 3: where they lie in fcsr. */
const CSR_FIELDS: readonly (Readonly<{ shift: number; mask: number }> | undefined)[] = [
  undefined,
  { shift: 0, mask: 31 },
  { shift: 5, mask: 7 },
  { shift: 0, mask: 255 },
];

/** What an instruction of these opcodes does; undefined for what is not translated. */
export function decodeFloat(insn: number): FloatAction | undefined {
  const opcode = (insn >>> 2) & 31;
  const [funct3, rs1] = [(insn >>> 12) & 7, (insn >>> 15) & 31];
  const width: FloatFormat | undefined = FORMATS[funct3 - 2];
  if (opcode === FLOAT_OPCODE.load) {
    return width && { kind: 'floatLoad', format: width, fd: field(insn, 7), rs1, immediate: insn >> 20 };
  }
  if (opcode === FLOAT_OPCODE.store) {
    const immediate = ((insn >> 20) & ~31) | field(insn, 7);
    return width && { kind: 'floatStore', format: width, fs2: field(insn, 20), rs1, immediate };
  }
  if (opcode === FLOAT_OPCODE.system) return decodeCsr(insn, funct3);
  const format = FORMATS[(insn >>> 25) & 3];
  if (!format) return undefined;
  return opcode === FLOAT_OPCODE.op ? decodeOperation(insn, format) : decodeFused(insn, format);
}

function decodeCsr(insn: number, funct3: number): FloatAction | undefined {
  const operation = CSR_OPERATIONS[funct3 & 3];
  const csr = CSR_FIELDS[insn >>> 20];
  if (!operation || !csr) return undefined;
  const [rd, rs1] = [field(insn, 7), field(insn, 15)];
  return { kind: 'floatCsr', operation, ...csr, rd, ...(funct3 & 4 ? { rs1: 0, bits: rs1 } : { rs1, bits: 0 }) };
}

const field = (insn: number, from: number) => (insn >>> from) & 31;
/** The host rounds to nearest alone; what it is worth when frm says something else is checked when the code runs. */
const roundsToNearest = (rm: number) => rm === NEAREST || rm === DYNAMIC;

function decodeFused(insn: number, format: FloatFormat): FloatAction | undefined {
  if (!roundsToNearest((insn >>> 12) & 7)) return undefined;
  return {
    kind: 'floatFused',
    format,
    fd: field(insn, 7),
    fs1: field(insn, 15),
    fs2: field(insn, 20),
    fs3: field(insn, 27),
    negateProduct: (insn & 8) !== 0,
    negateAddend: (insn & 4) !== 0,
  };
}

function decodeOperation(insn: number, format: FloatFormat): FloatAction | undefined {
  const funct5 = insn >>> 27;
  const rm = (insn >>> 12) & 7;
  const [rd, rs1, rs2] = [field(insn, 7), field(insn, 15), field(insn, 20)];
  const arithmetic = OPERATIONS[funct5];
  if (arithmetic) {
    if (!roundsToNearest(rm)) return undefined;
    return { kind: 'floatCompute', operation: arithmetic, format, fd: rd, fs1: rs1, fs2: rs2 };
  }
  switch (funct5) {
    case SIGN: {
      const operation = SIGNS[rm];
      return operation && { kind: 'floatSign', operation, format, fd: rd, fs1: rs1, fs2: rs2 };
    }
    case MIN_MAX: {
      const operation = (['min', 'max'] as const)[rm];
      return operation && { kind: 'floatCompute', operation, format, fd: rd, fs1: rs1, fs2: rs2 };
    }
    case COMPARE: {
      const condition = CONDITIONS[rm];
      return condition && { kind: 'floatCompare', condition, format, rd, fs1: rs1, fs2: rs2 };
    }
    case CONVERT: {
      const isLegal = rs2 === (format === 's' ? 1 : 0) && roundsToNearest(rm);
      return isLegal ? { kind: 'floatConvert', format, isDynamic: rm === DYNAMIC, fd: rd, fs1: rs1 } : undefined;
    }
    case ROOT:
      return rs2 === 0 && roundsToNearest(rm) ? { kind: 'floatRoot', format, fd: rd, fs1: rs1 } : undefined;
    case TO_INTEGER: {
      const integer = INTEGERS[rs2];
      const isDynamic = rm === DYNAMIC;
      const toWhole = TO_WHOLE[isDynamic ? NEAREST : rm];
      return integer && toWhole && { kind: 'floatToInteger', integer, toWhole, isDynamic, format, rd, fs1: rs1 };
    }
    case FROM_INTEGER: {
      const integer = INTEGERS[rs2];
      const isLegal = roundsToNearest(rm) || TO_WHOLE[rm] !== undefined;
      if (!integer || !isLegal) return undefined;
      const mustBeExact = !roundsToNearest(rm);
      return { kind: 'floatFromInteger', integer, mustBeExact, isDynamic: rm === DYNAMIC, format, fd: rd, rs1 };
    }
    case TO_X: {
      if (rs2 !== 0 || rm > 1) return undefined;
      return { kind: rm === 0 ? 'floatToX' : 'floatClass', format, rd, fs1: rs1 };
    }
    case FROM_X:
      return rm === 0 && rs2 === 0 ? { kind: 'floatFromX', format, fd: rd, rs1 } : undefined;
    default:
      return undefined;
  }
}
