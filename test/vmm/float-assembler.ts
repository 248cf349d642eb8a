/** Encodings of F and D for tests. `rm` is a rounding mode of ROUNDING; registers are numbers. */

export const FORMATS = ['s', 'd'] as const;
export type Format = (typeof FORMATS)[number];
export const ROUNDING = { rne: 0, rtz: 1, rdn: 2, rup: 3, rmm: 4, dyn: 7 } as const;
export type Rounding = Exclude<keyof typeof ROUNDING, 'dyn'>;
export const FLAGS = { NX: 1n, UF: 2n, OF: 4n, DZ: 8n, NV: 16n } as const;

/** funct5 of operations on two registers that round. */
export const ARITHMETIC = { fadd: 0, fsub: 1, fmul: 2, fdiv: 3 } as const;
/** Opcodes. */
export const FUSED = { fmadd: 0x43, fmsub: 0x47, fnmsub: 0x4b, fnmadd: 0x4f } as const;
/** funct5 and funct3 of operations on two registers that give one of them, more or less. */
export const SELECTIONS = { fsgnj: [4, 0], fsgnjn: [4, 1], fsgnjx: [4, 2], fmin: [5, 0], fmax: [5, 1] } as const;
/** funct3. */
export const COMPARISONS = { fle: 0, flt: 1, feq: 2 } as const;
/** What conversions call integers, with their rs2 field. */
export const INTEGERS = { w: 0, wu: 1, l: 2, lu: 3 } as const;
export type Integer = keyof typeof INTEGERS;

const formatField = (format: Format) => FORMATS.indexOf(format);
const fp = (funct5: number, format: Format, rd: number, funct3: number, rs1: number, rs2: number) =>
  (0x53 | (rd << 7) | (funct3 << 12) | (rs1 << 15) | (rs2 << 20) | (formatField(format) << 25) | (funct5 << 27)) >>> 0;

export const arithmetic = (
  name: keyof typeof ARITHMETIC,
  format: Format,
  rd: number,
  rs1: number,
  rs2: number,
  rm: number,
) => fp(ARITHMETIC[name], format, rd, rm, rs1, rs2);

export const fsqrt = (format: Format, rd: number, rs1: number, rm: number) => fp(11, format, rd, rm, rs1, 0);

export const fused = (
  name: keyof typeof FUSED,
  format: Format,
  rd: number,
  [rs1, rs2, rs3]: readonly [number, number, number],
  rm: number,
) =>
  (FUSED[name] | (rd << 7) | (rm << 12) | (rs1 << 15) | (rs2 << 20) | (formatField(format) << 25) | (rs3 << 27)) >>> 0;

export function selection(name: keyof typeof SELECTIONS, format: Format, rd: number, rs1: number, rs2: number): number {
  const [funct5, funct3] = SELECTIONS[name];
  return fp(funct5, format, rd, funct3, rs1, rs2);
}

export const comparison = (name: keyof typeof COMPARISONS, format: Format, rd: number, rs1: number, rs2: number) =>
  fp(20, format, rd, COMPARISONS[name], rs1, rs2);

/** FCVT.S.D or FCVT.D.S; `to` names the format of the result. */
export const fcvt = (to: Format, rd: number, rs1: number, rm: number) => fp(8, to, rd, rm, rs1, to === 's' ? 1 : 0);
export const fcvtToX = (to: Integer, format: Format, rd: number, rs1: number, rm: number) =>
  fp(24, format, rd, rm, rs1, INTEGERS[to]);
export const fcvtFromX = (from: Integer, format: Format, rd: number, rs1: number, rm: number) =>
  fp(26, format, rd, rm, rs1, INTEGERS[from]);
/** FMV.X.W, FMV.X.D. */
export const fmvToX = (format: Format, rd: number, rs1: number) => fp(28, format, rd, 0, rs1, 0);
export const fclass = (format: Format, rd: number, rs1: number) => fp(28, format, rd, 1, rs1, 0);
/** FMV.W.X, FMV.D.X. */
export const fmvFromX = (format: Format, rd: number, rs1: number) => fp(30, format, rd, 0, rs1, 0);

/** FLW, FLD. */
export const fload = (format: Format, rd: number, base: number, imm: number) =>
  (0x07 | (rd << 7) | ((format === 's' ? 2 : 3) << 12) | (base << 15) | (imm << 20)) >>> 0;
/** FSW, FSD. */
export const fstore = (format: Format, rs2: number, base: number, imm: number) =>
  (0x27 | ((imm & 31) << 7) | ((format === 's' ? 2 : 3) << 12) | (base << 15) | (rs2 << 20) | ((imm >> 5) << 25)) >>> 0;
