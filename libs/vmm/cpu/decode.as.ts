/** From an instruction as it is in memory to the decoded one (operations). */
import { EXPANSIONS } from '../layout';
import { Op, narrow, wide } from './operations.as';

// Major opcodes: bits 2 to 6.
const LOAD: u32 = 0x00;
const LOAD_FP: u32 = 0x01;
const MISC_MEM: u32 = 0x03;
const OP_IMM: u32 = 0x04;
const AUIPC: u32 = 0x05;
const OP_IMM_32: u32 = 0x06;
const STORE: u32 = 0x08;
const STORE_FP: u32 = 0x09;
const OP: u32 = 0x0c;
const LUI: u32 = 0x0d;
const OP_32: u32 = 0x0e;
const BRANCH: u32 = 0x18;
const JALR: u32 = 0x19;
const JAL: u32 = 0x1b;

// funct7 of operations on two registers and of shifts.
const BASE: u32 = 0;
const ALTERNATIVE: u32 = 0x20;
const MULTIPLY: u32 = 1;

/** The 32-bit instruction that the bits in memory, 16 or 32 of them, stand for. */
@inline
export function expanded(raw: u32): u32 {
  return (raw & 3) == 3 ? raw : load<u32>(EXPANSIONS + (raw << 2));
}

/** `raw` is the instruction in memory, `place` where it lies in its page, in bytes. */
export function decode(raw: u32, place: u32): u64 {
  const insn = expanded(raw);
  const rd = (insn >> 7) & 31;
  const rs1 = (insn >> 15) & 31;
  const rs2 = (insn >> 20) & 31;
  const funct3 = (insn >> 12) & 7;
  switch ((insn >> 2) & 31) {
    case LOAD: if (funct3 < 7 && rd) return narrow(Op.LB + funct3, rd, rs1, 0, place, immI(insn)); break;
    case STORE: if (funct3 < 4) return narrow(Op.SB + funct3, 0, rs1, rs2, place, immS(insn)); break;
    case LUI: return rd ? wide(Op.LUI, rd, place, immU(insn)) : nop(place);
    case AUIPC: return rd ? wide(Op.AUIPC, rd, place, place + immU(insn)) : nop(place);
    case OP_IMM: {
      const op = immediateOperation(insn, funct3);
      if (op == Op.ADDI && rs1 == 0) return operation(Op.LI, rd, 0, 0, place, immI(insn));
      if (op == Op.ADDI && immI(insn) == 0) return operation(Op.MV, rd, rs1, 0, place, 0);
      if (op != Op.OTHER) return operation(op, rd, rs1, 0, place, immI(insn));
      break;
    }
    case OP_IMM_32: {
      const op = immediateWordOperation(insn, funct3);
      if (op != Op.OTHER) return operation(op, rd, rs1, 0, place, immI(insn));
      break;
    }
    case OP: {
      const op = registerOperation(insn >> 25, funct3);
      if (op == Op.ADD && rs1 == 0) return operation(Op.MV, rd, rs2, 0, place, 0);
      if (op != Op.OTHER) return operation(op, rd, rs1, rs2, place, 0);
      break;
    }
    case OP_32: {
      const op = registerWordOperation(insn >> 25, funct3);
      if (op != Op.OTHER) return operation(op, rd, rs1, rs2, place, 0);
      break;
    }
    case JAL: return wide(rd ? Op.JAL : Op.J, rd, place, place + immJ(insn));
    case JALR: {
      if (funct3 != 0) break;
      return narrow(rd ? Op.JALR : Op.JR, rd, rs1, 0, place, immI(insn)) | (((raw & 3) == 3 ? 4 : 2) << 24);
    }
    case BRANCH: {
      const op = branch(funct3);
      if (op != Op.OTHER) return narrow(op, 0, rs1, rs2, place, place + immB(insn));
      break;
    }
    case LOAD_FP:
      if (funct3 == 2 || funct3 == 3) return narrow(Op.FLW + (funct3 - 2), rd, rs1, 0, place, immI(insn));
      break;
    case STORE_FP:
      if (funct3 == 2 || funct3 == 3) return narrow(Op.FSW + (funct3 - 2), 0, rs1, rs2, place, immS(insn));
      break;
    case MISC_MEM: if (funct3 == 0) return narrow(Op.FENCE, 0, 0, 0, place, 0); break;
  }
  return wide(Op.OTHER, 0, place, raw);
}

/** True if what follows the instruction in memory is not what is executed next. */
export function endsLine(decoded: u64): bool {
  switch ((decoded as u32) & 0xff) {
    case Op.JAL: case Op.J: case Op.JALR: case Op.JR: return true;
  }
  return false;
}

/** One that does nothing but write rd. */
function operation(op: u32, rd: u32, rs1: u32, rs2: u32, place: u32, immediate: u64): u64 {
  return rd ? narrow(op, rd, rs1, rs2, place, immediate) : nop(place);
}

function nop(place: u32): u64 {
  return narrow(Op.NOP, 0, 0, 0, place, 0);
}

function branch(funct3: u32): u32 {
  if (funct3 < 2) return Op.BEQ + funct3;
  return funct3 < 4 ? (Op.OTHER as u32) : Op.BLT + (funct3 - 4);
}

function immediateOperation(insn: u32, funct3: u32): u32 {
  if (funct3 != 1 && funct3 != 5) return Op.ADDI + funct3;
  const upper = insn >> 26;
  if (upper == 0) return Op.ADDI + funct3;
  return funct3 == 5 && upper == 0x10 ? Op.SRAI : Op.OTHER;
}

function immediateWordOperation(insn: u32, funct3: u32): u32 {
  const funct7 = insn >> 25;
  if (funct3 == 0) return Op.ADDIW;
  if (funct3 == 1 && funct7 == BASE) return Op.SLLIW;
  if (funct3 == 5 && funct7 == BASE) return Op.SRLIW;
  return funct3 == 5 && funct7 == ALTERNATIVE ? Op.SRAIW : Op.OTHER;
}

function registerOperation(funct7: u32, funct3: u32): u32 {
  if (funct7 == BASE) return Op.ADD + funct3;
  if (funct7 == MULTIPLY) return Op.MUL + funct3;
  if (funct7 == ALTERNATIVE && funct3 == 0) return Op.SUB;
  return funct7 == ALTERNATIVE && funct3 == 5 ? Op.SRA : Op.OTHER;
}

function registerWordOperation(funct7: u32, funct3: u32): u32 {
  if (funct7 == MULTIPLY) {
    if (funct3 == 0) return Op.MULW;
    return funct3 >= 4 ? Op.DIVW + (funct3 - 4) : Op.OTHER;
  }
  switch ((funct7 << 3) | funct3) {
    case (BASE << 3) | 0: return Op.ADDW;
    case (ALTERNATIVE << 3) | 0: return Op.SUBW;
    case (BASE << 3) | 1: return Op.SLLW;
    case (BASE << 3) | 5: return Op.SRLW;
    case (ALTERNATIVE << 3) | 5: return Op.SRAW;
  }
  return Op.OTHER;
}

// Immediates, sign-extended.
@inline
export function immI(insn: u32): u64 {
  return ((insn as i32) >> 20) as i64;
}

@inline
export function immS(insn: u32): u64 {
  return ((((insn as i32) >> 20) & ~31) | (((insn >> 7) & 31) as i32)) as i64;
}

@inline
function immB(insn: u32): u64 {
  const low = ((insn << 4) & 0x800) | ((insn >> 20) & 0x7e0) | ((insn >> 7) & 0x1e);
  return ((((insn as i32) >> 31) << 12) | (low as i32)) as i64;
}

@inline
function immU(insn: u32): u64 {
  return ((insn & 0xffff_f000) as i32) as i64;
}

@inline
function immJ(insn: u32): u64 {
  const low = (insn & 0xf_f000) | ((insn >> 9) & 0x800) | ((insn >> 20) & 0x7fe);
  return ((((insn as i32) >> 31) << 20) | (low as i32)) as i64;
}
