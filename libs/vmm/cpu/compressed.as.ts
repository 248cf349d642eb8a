/**
 * Compressed instructions (C extension): each of the 49,152 stands for one 32-bit instruction. They are expanded once,
 * into the table EXPANSIONS, which the run loop then reads. Field layouts: Unprivileged spec, chapter "C", tables of
 * quadrants 0 to 2. F and D loads and stores are expanded too; whether they are legal is the 32-bit decoder's business.
 */
import { EXPANSIONS } from '../layout';

/** Decodes to nothing, so it traps. */
const ILLEGAL: u32 = 0xffff_ffff;

const LOAD: u32 = 0x03;
const LOAD_FP: u32 = 0x07;
const OP_IMM: u32 = 0x13;
const OP_IMM_32: u32 = 0x1b;
const STORE: u32 = 0x23;
const STORE_FP: u32 = 0x27;
const OP: u32 = 0x33;
const LUI: u32 = 0x37;
const OP_32: u32 = 0x3b;
const BRANCH: u32 = 0x63;
const JALR: u32 = 0x67;
const JAL: u32 = 0x6f;
const EBREAK: u32 = 0x0010_0073;
const WORD: u32 = 2;
const DOUBLE: u32 = 3;
const SUB: u32 = 0x20;
const SP: u32 = 2;

export function fillExpansions(): void {
  for (let half: u32 = 0; half < 0x1_0000; half++) store<u32>(EXPANSIONS + (half << 2), expand(half));
}

/** The instruction that a 16-bit one stands for. */
export function expand(c: u32): u32 {
  const funct3 = c >> 13;
  switch (c & 3) {
    case 0: return quadrant0(c, funct3);
    case 1: return quadrant1(c, funct3);
    case 2: return quadrant2(c, funct3);
  }
  return ILLEGAL;
}

/** `count` bits of `value` from bit `from`, moved to bit `to`. */
@inline
function bits(value: u32, from: u32, count: u32, to: u32): u32 {
  return ((value >> from) & ((1 << count) - 1)) << to;
}

@inline
function signed(value: u32, width: u32): u32 {
  return (((value << (32 - width)) as i32) >> (32 - width)) as u32;
}

function iType(opcode: u32, funct3: u32, rd: u32, rs1: u32, imm: u32): u32 {
  return opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | (imm << 20);
}

function sType(opcode: u32, funct3: u32, rs1: u32, rs2: u32, imm: u32): u32 {
  return opcode | bits(imm, 0, 5, 7) | (funct3 << 12) | (rs1 << 15) | (rs2 << 20) | bits(imm, 5, 7, 25);
}

function rType(opcode: u32, funct3: u32, funct7: u32, rd: u32, rs1: u32, rs2: u32): u32 {
  return opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | (rs2 << 20) | (funct7 << 25);
}

function bType(funct3: u32, rs1: u32, imm: u32): u32 {
  const low = bits(imm, 11, 1, 7) | bits(imm, 1, 4, 8);
  return BRANCH | low | (funct3 << 12) | (rs1 << 15) | bits(imm, 5, 6, 25) | bits(imm, 12, 1, 31);
}

function jump(imm: u32): u32 {
  return JAL | bits(imm, 12, 8, 12) | bits(imm, 11, 1, 20) | bits(imm, 1, 10, 21) | bits(imm, 20, 1, 31);
}

function quadrant0(c: u32, funct3: u32): u32 {
  const low = bits(c, 2, 3, 0) + 8; // rd' or rs2'
  const base = bits(c, 7, 3, 0) + 8; // rs1'
  const word = bits(c, 6, 1, 2) | bits(c, 10, 3, 3) | bits(c, 5, 1, 6);
  const double = bits(c, 10, 3, 3) | bits(c, 5, 2, 6);
  switch (funct3) {
    case 0: { // C.ADDI4SPN
      const imm = bits(c, 6, 1, 2) | bits(c, 5, 1, 3) | bits(c, 11, 2, 4) | bits(c, 7, 4, 6);
      return imm ? iType(OP_IMM, 0, low, SP, imm) : ILLEGAL;
    }
    case 1: return iType(LOAD_FP, DOUBLE, low, base, double);
    case 2: return iType(LOAD, WORD, low, base, word);
    case 3: return iType(LOAD, DOUBLE, low, base, double);
    case 5: return sType(STORE_FP, DOUBLE, base, low, double);
    case 6: return sType(STORE, WORD, base, low, word);
    case 7: return sType(STORE, DOUBLE, base, low, double);
  }
  return ILLEGAL;
}

function quadrant1(c: u32, funct3: u32): u32 {
  const rd = bits(c, 7, 5, 0);
  const imm = signed(bits(c, 2, 5, 0) | bits(c, 12, 1, 5), 6);
  switch (funct3) {
    case 0: return iType(OP_IMM, 0, rd, rd, imm); // C.ADDI
    case 1: return rd ? iType(OP_IMM_32, 0, rd, rd, imm) : ILLEGAL; // C.ADDIW
    case 2: return iType(OP_IMM, 0, rd, 0, imm); // C.LI
    case 3: {
      if (rd != SP) return imm ? LUI | (rd << 7) | (imm << 12) : ILLEGAL;
      const sixteen = bits(c, 6, 1, 4) | bits(c, 2, 1, 5) | bits(c, 5, 1, 6) | bits(c, 3, 2, 7) | bits(c, 12, 1, 9);
      return sixteen ? iType(OP_IMM, 0, SP, SP, signed(sixteen, 10)) : ILLEGAL; // C.ADDI16SP
    }
    case 4: return arithmetic(c, imm);
    case 5: { // C.J
      const near = bits(c, 3, 3, 1) | bits(c, 11, 1, 4) | bits(c, 2, 1, 5) | bits(c, 7, 1, 6) | bits(c, 6, 1, 7);
      return jump(signed(near | bits(c, 9, 2, 8) | bits(c, 8, 1, 10) | bits(c, 12, 1, 11), 12));
    }
  }
  // C.BEQZ, C.BNEZ
  const near = bits(c, 3, 2, 1) | bits(c, 10, 2, 3) | bits(c, 2, 1, 5) | bits(c, 5, 2, 6) | bits(c, 12, 1, 8);
  return bType(funct3 - 6, bits(c, 7, 3, 0) + 8, signed(near, 9));
}

/** C.SRLI, C.SRAI, C.ANDI and the register-register operations of quadrant 1. */
function arithmetic(c: u32, imm: u32): u32 {
  const rd = bits(c, 7, 3, 0) + 8;
  const rs2 = bits(c, 2, 3, 0) + 8;
  switch (bits(c, 10, 2, 0)) {
    case 0: return iType(OP_IMM, 5, rd, rd, imm & 63);
    case 1: return iType(OP_IMM, 5, rd, rd, (imm & 63) | 0x400);
    case 2: return iType(OP_IMM, 7, rd, rd, imm);
  }
  switch (bits(c, 5, 2, 0) | bits(c, 12, 1, 2)) {
    case 0: return rType(OP, 0, SUB, rd, rd, rs2);
    case 1: return rType(OP, 4, 0, rd, rd, rs2);
    case 2: return rType(OP, 6, 0, rd, rd, rs2);
    case 3: return rType(OP, 7, 0, rd, rd, rs2);
    case 4: return rType(OP_32, 0, SUB, rd, rd, rs2);
    case 5: return rType(OP_32, 0, 0, rd, rd, rs2);
  }
  return ILLEGAL;
}

function quadrant2(c: u32, funct3: u32): u32 {
  const rd = bits(c, 7, 5, 0);
  const rs2 = bits(c, 2, 5, 0);
  const wordLoad = bits(c, 4, 3, 2) | bits(c, 12, 1, 5) | bits(c, 2, 2, 6);
  const doubleLoad = bits(c, 5, 2, 3) | bits(c, 12, 1, 5) | bits(c, 2, 3, 6);
  const wordStore = bits(c, 9, 4, 2) | bits(c, 7, 2, 6);
  const doubleStore = bits(c, 10, 3, 3) | bits(c, 7, 3, 6);
  switch (funct3) {
    case 0: return iType(OP_IMM, 1, rd, rd, rs2 | bits(c, 12, 1, 5)); // C.SLLI
    case 1: return iType(LOAD_FP, DOUBLE, rd, SP, doubleLoad);
    case 2: return rd ? iType(LOAD, WORD, rd, SP, wordLoad) : ILLEGAL;
    case 3: return rd ? iType(LOAD, DOUBLE, rd, SP, doubleLoad) : ILLEGAL;
    case 4: {
      const link = bits(c, 12, 1, 0); // C.JR, C.MV without; C.JALR, C.ADD, C.EBREAK with
      if (rs2) return rType(OP, 0, 0, rd, link ? rd : 0, rs2);
      if (rd) return iType(JALR, 0, link, rd, 0);
      return link ? EBREAK : ILLEGAL;
    }
    case 5: return sType(STORE_FP, DOUBLE, SP, rs2, doubleStore);
    case 6: return sType(STORE, WORD, SP, rs2, wordStore);
  }
  return sType(STORE, DOUBLE, SP, rs2, doubleStore);
}
