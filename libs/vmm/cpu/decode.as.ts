/** How 32-bit instructions are laid out: keys for the switch of the run loop, operands, immediates. */
import { H_X } from '../layout';

/**
 * Opcode (bits 2 to 6) and, above it, funct3: what the switch in `run` decides by. It becomes one jump table only if
 * the keys are dense (Binaryen wants a third of the range used): a chain of comparisons was 40 % slower.
 */
export const enum Key {
  LB = 0x00, LH = 0x20, LW = 0x40, LD = 0x60, LBU = 0x80, LHU = 0xa0, LWU = 0xc0,
  FENCE = 0x03, FENCE_I = 0x23,
  ADDI = 0x04, SLLI = 0x24, SLTI = 0x44, SLTIU = 0x64, XORI = 0x84, SRXI = 0xa4, ORI = 0xc4, ANDI = 0xe4,
  ADDIW = 0x06, SLLIW = 0x26, SRXIW = 0xa6,
  SB = 0x08, SH = 0x28, SW = 0x48, SD = 0x68,
  // Of the register-register keys, funct7 selects one of up to three: base, alternative (0x20), M extension (1).
  ADD = 0x0c, SLL = 0x2c, SLT = 0x4c, SLTU = 0x6c, XOR = 0x8c, SRX = 0xac, OR = 0xcc, AND = 0xec,
  ADDW = 0x0e, SLLW = 0x2e, DIVW = 0x8e, SRXW = 0xae, REMW = 0xce, REMUW = 0xee,
  BEQ = 0x18, BNE = 0x38, BLT = 0x98, BGE = 0xb8, BLTU = 0xd8, BGEU = 0xf8,
  JALR = 0x19,
  // Here bits 12 to 14 are not funct3, or others decode it, so each takes eight keys: x | F0 to x | F7.
  AUIPC = 0x05, AMO = 0x0b, LUI = 0x0d, JAL = 0x1b, SYSTEM = 0x1c,
  F1 = 0x20, F2 = 0x40, F3 = 0x60, F4 = 0x80, F5 = 0xa0, F6 = 0xc0, F7 = 0xe0,
}

// Operands and immediates. `base` is the hart's block; register i is at H_X + 8 i.
@inline
export function rs1(base: u32, insn: u32): u64 {
  return load<u64>(base + ((insn >> 12) & 0xf8), H_X);
}

@inline
export function rs2(base: u32, insn: u32): u64 {
  return load<u64>(base + ((insn >> 17) & 0xf8), H_X);
}

@inline
export function setRd(base: u32, insn: u32, value: u64): void {
  store<u64>(base + ((insn >> 4) & 0xf8), value, H_X);
}

@inline
export function setWord(base: u32, insn: u32, value: i32): void {
  setRd(base, insn, value as i64);
}

@inline
export function immI(insn: u32): u64 {
  return ((insn as i32) >> 20) as i64;
}

@inline
export function immS(insn: u32): u64 {
  return ((((insn as i32) >> 20) & ~31) | (((insn >> 7) & 31) as i32)) as i64;
}

@inline
export function immB(insn: u32): u64 {
  const low = ((insn << 4) & 0x800) | ((insn >> 20) & 0x7e0) | ((insn >> 7) & 0x1e);
  return ((((insn as i32) >> 31) << 12) | (low as i32)) as i64;
}

@inline
export function immU(insn: u32): u64 {
  return ((insn & 0xffff_f000) as i32) as i64;
}

@inline
export function immJ(insn: u32): u64 {
  const low = (insn & 0xf_f000) | ((insn >> 9) & 0x800) | ((insn >> 20) & 0x7fe);
  return ((((insn as i32) >> 31) << 20) | (low as i32)) as i64;
}
