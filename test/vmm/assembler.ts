/** A tiny RV64IMACB encoder for tests. Instructions are numbers; like the hart, `assemble` tells 16 from 32 bits by the low two. */

/** Register-register operations: opcode, funct3, funct7. */
export const REGISTER_OPERATIONS = {
  add: [0x33, 0, 0x00],
  sub: [0x33, 0, 0x20],
  sll: [0x33, 1, 0x00],
  slt: [0x33, 2, 0x00],
  sltu: [0x33, 3, 0x00],
  xor: [0x33, 4, 0x00],
  srl: [0x33, 5, 0x00],
  sra: [0x33, 5, 0x20],
  or: [0x33, 6, 0x00],
  and: [0x33, 7, 0x00],
  mul: [0x33, 0, 0x01],
  mulh: [0x33, 1, 0x01],
  mulhsu: [0x33, 2, 0x01],
  mulhu: [0x33, 3, 0x01],
  div: [0x33, 4, 0x01],
  divu: [0x33, 5, 0x01],
  rem: [0x33, 6, 0x01],
  remu: [0x33, 7, 0x01],
  addw: [0x3b, 0, 0x00],
  subw: [0x3b, 0, 0x20],
  sllw: [0x3b, 1, 0x00],
  srlw: [0x3b, 5, 0x00],
  sraw: [0x3b, 5, 0x20],
  mulw: [0x3b, 0, 0x01],
  divw: [0x3b, 4, 0x01],
  divuw: [0x3b, 5, 0x01],
  remw: [0x3b, 6, 0x01],
  remuw: [0x3b, 7, 0x01],
  sh1add: [0x33, 2, 0x10],
  sh2add: [0x33, 4, 0x10],
  sh3add: [0x33, 6, 0x10],
  'add.uw': [0x3b, 0, 0x04],
  'sh1add.uw': [0x3b, 2, 0x10],
  'sh2add.uw': [0x3b, 4, 0x10],
  'sh3add.uw': [0x3b, 6, 0x10],
  andn: [0x33, 7, 0x20],
  orn: [0x33, 6, 0x20],
  xnor: [0x33, 4, 0x20],
  min: [0x33, 4, 0x05],
  minu: [0x33, 5, 0x05],
  max: [0x33, 6, 0x05],
  maxu: [0x33, 7, 0x05],
  rol: [0x33, 1, 0x30],
  ror: [0x33, 5, 0x30],
  rolw: [0x3b, 1, 0x30],
  rorw: [0x3b, 5, 0x30],
  bclr: [0x33, 1, 0x24],
  bext: [0x33, 5, 0x24],
  binv: [0x33, 1, 0x34],
  bset: [0x33, 1, 0x14],
} as const;

/** Operations on one register: opcode, funct3, bits 20 to 31. */
export const UNARY_OPERATIONS = {
  clz: [0x13, 1, 0x600],
  ctz: [0x13, 1, 0x601],
  cpop: [0x13, 1, 0x602],
  'sext.b': [0x13, 1, 0x604],
  'sext.h': [0x13, 1, 0x605],
  'orc.b': [0x13, 5, 0x287],
  rev8: [0x13, 5, 0x6b8],
  clzw: [0x1b, 1, 0x600],
  ctzw: [0x1b, 1, 0x601],
  cpopw: [0x1b, 1, 0x602],
  'zext.h': [0x3b, 4, 0x080],
} as const;

/** Operations with a 12-bit immediate: opcode, funct3. */
export const IMMEDIATE_OPERATIONS = {
  addi: [0x13, 0],
  slti: [0x13, 2],
  sltiu: [0x13, 3],
  xori: [0x13, 4],
  ori: [0x13, 6],
  andi: [0x13, 7],
  addiw: [0x1b, 0],
  lb: [0x03, 0],
  lh: [0x03, 1],
  lw: [0x03, 2],
  ld: [0x03, 3],
  lbu: [0x03, 4],
  lhu: [0x03, 5],
  lwu: [0x03, 6],
  jalr: [0x67, 0],
} as const;

/** Shifts by an immediate: opcode, funct3, upper bits, width of the amount. */
export const SHIFTS = {
  slli: [0x13, 1, 0, 6],
  srli: [0x13, 5, 0, 6],
  srai: [0x13, 5, 0x400, 6],
  slliw: [0x1b, 1, 0, 5],
  srliw: [0x1b, 5, 0, 5],
  sraiw: [0x1b, 5, 0x400, 5],
  'slli.uw': [0x1b, 1, 0x080, 6],
  rori: [0x13, 5, 0x600, 6],
  roriw: [0x1b, 5, 0x600, 5],
  bclri: [0x13, 1, 0x480, 6],
  bexti: [0x13, 5, 0x480, 6],
  binvi: [0x13, 1, 0x680, 6],
  bseti: [0x13, 1, 0x280, 6],
} as const;

export const STORES = { sb: 0, sh: 1, sw: 2, sd: 3 } as const;
export const BRANCHES = { beq: 0, bne: 1, blt: 4, bge: 5, bltu: 6, bgeu: 7 } as const;
/** funct5 of the AMO opcode. */
export const ATOMICS = {
  amoadd: 0,
  amoswap: 1,
  lr: 2,
  sc: 3,
  amoxor: 4,
  amoor: 8,
  amoand: 12,
  amomin: 16,
  amomax: 20,
  amominu: 24,
  amomaxu: 28,
} as const;
export const CSRS = {
  fflags: 0x001,
  frm: 0x002,
  fcsr: 0x003,
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  sip: 0x144,
  stimecmp: 0x14d,
  satp: 0x180,
  mstatus: 0x300,
  misa: 0x301,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mcountinhibit: 0x320,
  mscratch: 0x340,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
  mcycle: 0xb00,
  minstret: 0xb02,
  cycle: 0xc00,
  time: 0xc01,
  instret: 0xc02,
  mhartid: 0xf14,
} as const;
export type Csr = keyof typeof CSRS;

/** An operation on two registers. */
export function r(name: keyof typeof REGISTER_OPERATIONS, rd: number, rs1: number, rs2: number): number {
  const [opcode, funct3, funct7] = REGISTER_OPERATIONS[name];
  return (opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | (rs2 << 20) | (funct7 << 25)) >>> 0;
}

/** An operation on one register. */
export function unary(name: keyof typeof UNARY_OPERATIONS, rd: number, rs1: number): number {
  const [opcode, funct3, upper] = UNARY_OPERATIONS[name];
  return (opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | (upper << 20)) >>> 0;
}

/** Cache-block operations: bits 20 to 31. */
export const CACHE_BLOCKS = { 'cbo.inval': 0, 'cbo.clean': 1, 'cbo.flush': 2, 'cbo.zero': 4 } as const;
export const cbo = (name: keyof typeof CACHE_BLOCKS, rs1: number) =>
  (0x200f | (rs1 << 15) | (CACHE_BLOCKS[name] << 20)) >>> 0;

/** An operation with an immediate, a load (`rs1` is the base) or jalr. */
export function i(name: keyof typeof IMMEDIATE_OPERATIONS, rd: number, rs1: number, imm: number): number {
  const [opcode, funct3] = IMMEDIATE_OPERATIONS[name];
  return (opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | (imm << 20)) >>> 0;
}

export function shift(name: keyof typeof SHIFTS, rd: number, rs1: number, amount: number): number {
  const [opcode, funct3, upper, width] = SHIFTS[name];
  return (opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | ((upper | (amount & ((1 << width) - 1))) << 20)) >>> 0;
}

export function s(name: keyof typeof STORES, rs2: number, base: number, imm: number): number {
  return (0x23 | ((imm & 31) << 7) | (STORES[name] << 12) | (base << 15) | (rs2 << 20) | ((imm >> 5) << 25)) >>> 0;
}

/** `offset` is in bytes from this instruction. */
export function b(name: keyof typeof BRANCHES, rs1: number, rs2: number, offset: number): number {
  const low = (((offset >> 11) & 1) << 7) | (((offset >> 1) & 15) << 8);
  const high = (((offset >> 5) & 63) << 25) | (((offset >> 12) & 1) << 31);
  return (0x63 | low | (BRANCHES[name] << 12) | (rs1 << 15) | (rs2 << 20) | high) >>> 0;
}

export function jal(rd: number, offset: number): number {
  const near = (offset & 0xff000) | (((offset >> 11) & 1) << 20) | (((offset >> 1) & 0x3ff) << 21);
  return (0x6f | (rd << 7) | near | (((offset >> 20) & 1) << 31)) >>> 0;
}

/** `imm` is the upper 20 bits. */
export const lui = (rd: number, imm: number) => (0x37 | (rd << 7) | (imm << 12)) >>> 0;
export const auipc = (rd: number, imm: number) => (0x17 | (rd << 7) | (imm << 12)) >>> 0;

export function amo(name: keyof typeof ATOMICS, width: 'w' | 'd', rd: number, base: number, rs2: number): number {
  return (
    (0x2f | (rd << 7) | ((width === 'w' ? 2 : 3) << 12) | (base << 15) | (rs2 << 20) | (ATOMICS[name] << 27)) >>> 0
  );
}

/** csrrw, csrrs and csrrc; `operation` w, s, c. */
export function csr(operation: 'w' | 's' | 'c', rd: number, name: Csr, rs1: number): number {
  return (0x73 | (rd << 7) | ({ w: 1, s: 2, c: 3 }[operation] << 12) | (rs1 << 15) | (CSRS[name] << 20)) >>> 0;
}

/** csrrwi, csrrsi and csrrci. */
export const csri = (operation: 'w' | 's' | 'c', rd: number, name: Csr, imm: number) =>
  (csr(operation, rd, name, imm) | 0x4000) >>> 0;
export const csrr = (rd: number, name: Csr) => csr('s', rd, name, 0);
export const csrw = (name: Csr, rs1: number) => csr('w', 0, name, rs1);

export const ECALL = 0x0000_0073;
export const EBREAK = 0x0010_0073;
export const SRET = 0x1020_0073;
export const MRET = 0x3020_0073;
export const WFI = 0x1050_0073;
export const FENCE = 0x0ff0_000f;
export const FENCE_I = 0x0000_100f;
export const sfence = (rs1 = 0, rs2 = 0) => (0x1200_0073 | (rs1 << 15) | (rs2 << 20)) >>> 0;

/** Loads any 64-bit constant. */
export function li(rd: number, value: bigint): number[] {
  const signed = BigInt.asIntN(64, value);
  if (signed === BigInt.asIntN(12, signed)) return [i('addi', rd, 0, Number(signed))];
  if (signed === BigInt.asIntN(32, signed)) {
    const low = Number(BigInt.asIntN(12, signed));
    const upper = lui(rd, Number((signed - BigInt(low)) >> 12n) & 0xfffff);
    return low ? [upper, i('addiw', rd, rd, low)] : [upper];
  }
  const low = BigInt.asIntN(12, signed);
  return [
    ...li(rd, (signed - low) >> 12n),
    shift('slli', rd, rd, 12),
    ...(low ? [i('addi', rd, rd, Number(low))] : []),
  ];
}

/** Length in bytes. */
export const sizeOf = (instructions: readonly number[]) =>
  instructions.reduce((sum, instruction) => sum + ((instruction & 3) === 3 ? 4 : 2), 0);

/** Little-endian machine code. */
export function assemble(instructions: readonly number[]): Uint8Array {
  const code = new Uint8Array(sizeOf(instructions));
  const view = new DataView(code.buffer);
  let at = 0;
  for (const instruction of instructions) {
    if ((instruction & 3) === 3) view.setUint32(at, instruction, true);
    else view.setUint16(at, instruction, true);
    at += (instruction & 3) === 3 ? 4 : 2;
  }
  return code;
}
