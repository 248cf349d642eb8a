/**
 * Decoded instructions: what `decode` makes and the run loop executes. Each takes 8 bytes:
 *
 *     bits 0 to 7    Op; small dense numbers, so that the switch of the run loop becomes one jump table
 *     bits 8 to 13   rd, with 32 (the sink of H_X) for x0
 *     bits 14 to 18  rs1
 *     bits 19 to 23  rs2
 *     bits 24 to 31  bytes from this decoded instruction to the next: there is one for each 2 bytes of guest code
 *     bits 32 to 63  immediate; the instruction as it is in memory (16 or 32 bits) for AMO, SYSTEM, FLOAT,
 *                    FLOAT_FUSED and GENERIC
 */
import { H_X } from '../layout';

export const enum Op {
  /** Memory that is zero: nothing has been decoded here yet. */
  UNDECODED,
  // Loads and stores, operations on registers: in the order of funct3, where there is one.
  LB, LH, LW, LD, LBU, LHU, LWU,
  SB, SH, SW, SD,
  ADDI, SLLI, SLTI, SLTIU, XORI, SRLI, ORI, ANDI, SRAI,
  ADDIW, SLLIW, SRLIW, SRAIW,
  ADD, SLL, SLT, SLTU, XOR, SRL, OR, AND, SUB, SRA,
  ADDW, SUBW, SLLW, SRLW, SRAW,
  MUL, MULH, MULHSU, MULHU, DIV, DIVU, REM, REMU,
  MULW, DIVW, DIVUW, REMW, REMUW,
  /** LUI and every other way to load a constant. */
  LI,
  /** Every way to copy a register. */
  MV,
  AUIPC,
  // Jumps and branches ahead within the page; the immediate is in bytes of decoded code from the instruction.
  JAL, BEQ, BNE, BLT, BGE, BLTU, BGEU,
  // Those that go back or leave the page, in the same order; the immediate is in bytes of guest code.
  JAL_FAR, BEQ_FAR, BNE_FAR, BLT_FAR, BGE_FAR, BLTU_FAR, BGEU_FAR,
  JALR,
  FENCE, FENCE_I, AMO, SYSTEM,
  FLW, FLD, FSW, FSD,
  /** OP-FP; MADD, MSUB, NMSUB and NMADD. */
  FLOAT, FLOAT_FUSED,
  /** What an extension executes, or nobody. */
  GENERIC,
  /** Not an instruction: the first two bytes of one of four are the last of the page. */
  CROSSING,
  /** Not an instruction: the page ends here. */
  PAGE_END,
}

/** From the near to the far form of a jump or branch. */
export const FAR: u32 = Op.JAL_FAR - Op.JAL;
/** Bytes that a decoded instruction takes, so 4 times as many as the 2 bytes of guest code. */
export const DECODED: u32 = 8;
/** Where the sink for writes to x0 lies in H_X. */
export const SINK: u32 = 32;

@inline
export function encode(op: u32, rd: u32, rs1: u32, rs2: u32, length: u32, immediate: u64): u64 {
  const low = op | ((rd ? rd : SINK) << 8) | (rs1 << 14) | (rs2 << 19) | (length << 26);
  return (low as u64) | (immediate << 32);
}

// What the run loop reads of one: `low` is its low half, `at` its address. `base` is the hart's block.
@inline
export function rs1(base: u32, low: u32): u64 {
  return load<u64>(base + ((low >> 11) & 0xf8), H_X);
}

@inline
export function rs2(base: u32, low: u32): u64 {
  return load<u64>(base + ((low >> 16) & 0xf8), H_X);
}

@inline
export function setRd(base: u32, low: u32, value: u64): void {
  store<u64>(base + ((low >> 5) & 0x1f8), value, H_X);
}

@inline
export function setWord(base: u32, low: u32, value: i32): void {
  setRd(base, low, value as i64);
}

// Offsets of f registers in H_F.
@inline
export function offsetOfRd(low: u32): u32 {
  return (low >> 5) & 0xf8;
}

@inline
export function offsetOfRs2(low: u32): u32 {
  return (low >> 16) & 0xf8;
}

/** Length of the instruction in guest code: 2 or 4 bytes. */
@inline
export function lengthOf(low: u32): u32 {
  return low >> 26;
}

@inline
export function immediate(at: u32): u64 {
  return load<i32>(at, 4) as i64;
}

@inline
export function immediateWord(at: u32): i32 {
  return load<i32>(at, 4);
}
