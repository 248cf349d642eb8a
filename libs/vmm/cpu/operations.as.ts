/**
 * Decoded instructions: what `decode` makes and the inner loop executes. Each takes 8 bytes. Registers are 8 times their
 * number, which is where they lie in H_X or H_F; rd is never x0.
 *
 *              0    1    2      3     4            6
 *     narrow   Op   rd   rs1    rs2   immediate    place
 *     wide     Op   rd   place        immediate
 *
 * `place` is where the instruction lies in its page, in bytes; the immediate is signed. Wide are LUI, AUIPC, JAL, J and
 * OTHER.
 */
import { H_X } from '../layout';

/** Small dense numbers, so that the switch of the inner loop becomes one jump table. */
export const enum Op {
  // Loads and stores, operations on registers: in the order of funct3, where there is one.
  LB, LH, LW, LD, LBU, LHU, LWU,
  SB, SH, SW, SD,
  ADDI, SLLI, SLTI, SLTIU, XORI, SRLI, ORI, ANDI, SRAI,
  ADDIW, SLLIW, SRLIW, SRAIW,
  ADD, SLL, SLT, SLTU, XOR, SRL, OR, AND, SUB, SRA,
  ADDW, SUBW, SLLW, SRLW, SRAW,
  MUL, MULH, MULHSU, MULHU, DIV, DIVU, REM, REMU,
  MULW, DIVW, DIVUW, REMW, REMUW,
  /** ADDI from x0. */
  LI,
  /** Every way to copy a register. */
  MV,
  /** Every way to do nothing. */
  NOP,
  /** The immediate is the value. */
  LUI,
  /** The immediate is relative to the page, as for all that follow. */
  AUIPC,
  BEQ, BNE, BLT, BGE, BLTU, BGEU,
  JAL,
  /** JAL with x0. */
  J,
  /** The immediate is that of the instruction; rs2 is the instruction's length. */
  JALR,
  /** JALR with x0. */
  JR,
  FENCE,
  FLW, FLD, FSW, FSD,
  /** What the inner loop does not know. The immediate is the instruction as it is in memory: 16 or 32 bits. */
  OTHER,
  // Not instructions.
  /** What is at this place has another number, or must be decoded. */
  GOTO,
  /** The first two bytes of a longer instruction are the last of the page. That instruction comes next. */
  CROSSING,
  /** What follows is in the next page. */
  PAGE_END,
}

/** Bytes that a decoded instruction takes. */
export const DECODED: u32 = 8;

@inline
export function narrow(op: i32, rd: u32, rs1: u32, rs2: u32, place: u32, immediate: u64): u64 {
  const low = (op as u32) | (rd << 11) | (rs1 << 19) | (rs2 << 27);
  return (low as u64) | ((immediate & 0xffff) << 32) | ((place as u64) << 48);
}

@inline
export function wide(op: i32, rd: u32, place: u32, immediate: u64): u64 {
  return ((op as u64) | ((rd as u64) << 11) | ((place as u64) << 16)) | (immediate << 32);
}

// Fields; `at` is the address of the decoded instruction, `base` that of the hart's block.
@inline
export function opOf(at: u32): i32 {
  return load<u8>(at);
}

@inline
export function rs1(base: u32, at: u32): u64 {
  return load<u64>(base + (load<u8>(at, 2) as u32), H_X);
}

@inline
export function rs2(base: u32, at: u32): u64 {
  return load<u64>(base + (load<u8>(at, 3) as u32), H_X);
}

@inline
export function setRd(base: u32, at: u32, value: u64): void {
  store<u64>(base + (load<u8>(at, 1) as u32), value, H_X);
}

@inline
export function setWord(base: u32, at: u32, value: i32): void {
  setRd(base, at, value as i64);
}

@inline
export function immediate(at: u32): u64 {
  return load<i16>(at, 4) as i64;
}

@inline
export function immediateWord(at: u32): i32 {
  return load<i16>(at, 4);
}

@inline
export function wideImmediate(at: u32): u64 {
  return load<i32>(at, 4) as i64;
}

@inline
export function placeOf(at: u32): u32 {
  return load<u16>(at, 6);
}

@inline
export function placeOfWide(at: u32): u32 {
  return load<u16>(at, 2);
}

/** The same for an instruction of any kind. */
export function anyPlaceOf(at: u32): u32 {
  switch (opOf(at)) {
    case Op.LUI: case Op.AUIPC: case Op.JAL: case Op.J: case Op.OTHER: return placeOfWide(at);
  }
  return placeOf(at);
}

/** The place of what follows one that does not end its line. */
export function placeAfter(at: u32): u32 {
  return anyPlaceOf(at + DECODED);
}

// Offsets of f registers in H_F.
@inline
export function offsetOfRd(at: u32): u32 {
  return load<u8>(at, 1);
}

@inline
export function offsetOfRs2(at: u32): u32 {
  return load<u8>(at, 3);
}

/** Number of rd. */
@inline
export function rdOf(at: u32): u32 {
  return (load<u8>(at, 1) as u32) >> 3;
}

/** Length of a JALR. */
@inline
export function lengthOf(at: u32): u32 {
  return load<u8>(at, 3);
}
