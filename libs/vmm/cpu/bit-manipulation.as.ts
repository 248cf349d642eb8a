/**
 * Bit manipulation (B extension: Zba, Zbb, Zbs; Unprivileged spec, chapter "B"). What WebAssembly has no instruction for
 * is a function of values here; `executeBitManipulation` finds and executes the instruction.
 */
import { setX, x } from './registers.as';

/** Each byte becomes all ones if it is not zero. */
export function orcb(a: u64): u64 {
  const low: u64 = 0x7f7f_7f7f_7f7f_7f7f;
  const tops = (((a & low) + low) | a) & ~low; // top bit of each byte that is not zero
  return (tops << 1) - (tops >> 7);
}

/** Reverses the order of the bytes. */
export function rev8(a: u64): u64 {
  return bswap<u64>(a);
}

/** WebAssembly counts 64 zeros in a zero, as CLZ and CTZ do; the words are counted in 32 bits. */
@inline
export function clzw(a: u64): u64 {
  return clz<u32>(a as u32) as u64;
}

@inline
export function ctzw(a: u64): u64 {
  return ctz<u32>(a as u32) as u64;
}

@inline
export function cpopw(a: u64): u64 {
  return popcnt<u32>(a as u32) as u64;
}

@inline
export function rolw(a: u64, amount: u64): u64 {
  return (rotl<u32>(a as u32, amount as u32) as i32) as i64;
}

@inline
export function rorw(a: u64, amount: u64): u64 {
  return (rotr<u32>(a as u32, amount as u32) as i32) as i64;
}

@inline
function word(a: u64): u64 {
  return a & 0xffff_ffff;
}

@inline
function bit(n: u64): u64 {
  return (1 as u64) << n;
}

/** Executes an instruction of OP, OP-IMM, OP-32 or OP-IMM-32; false if it is none of these extensions. */
export function executeBitManipulation(insn: u32): bool {
  switch ((insn >> 2) & 0x1f) {
    case 0x04: return immediate(insn);
    case 0x06: return immediateWord(insn);
    case 0x0c: return register(insn);
    case 0x0e: return registerWord(insn);
  }
  return false;
}

@inline
function result(insn: u32, value: u64): bool {
  setX((insn >> 7) & 31, value);
  return true;
}

/** funct7 above funct3: how the tables of the specification tell these apart. */
@inline
function functions(insn: u32): u32 {
  return ((insn >> 25) << 4) | ((insn >> 12) & 7);
}

function register(insn: u32): bool {
  const a = x((insn >> 15) & 31);
  const b = x((insn >> 20) & 31);
  switch (functions(insn)) {
    case 0x102: return result(insn, (a << 1) + b); // SH1ADD
    case 0x104: return result(insn, (a << 2) + b);
    case 0x106: return result(insn, (a << 3) + b);
    case 0x207: return result(insn, a & ~b); // ANDN
    case 0x206: return result(insn, a | ~b); // ORN
    case 0x204: return result(insn, a ^ ~b); // XNOR
    case 0x054: return result(insn, min<i64>(a, b));
    case 0x055: return result(insn, min<u64>(a, b));
    case 0x056: return result(insn, max<i64>(a, b));
    case 0x057: return result(insn, max<u64>(a, b));
    case 0x301: return result(insn, rotl<u64>(a, b));
    case 0x305: return result(insn, rotr<u64>(a, b));
    case 0x241: return result(insn, a & ~bit(b)); // BCLR
    case 0x245: return result(insn, (a >> b) & 1); // BEXT
    case 0x341: return result(insn, a ^ bit(b)); // BINV
    case 0x141: return result(insn, a | bit(b)); // BSET
  }
  return false;
}

function registerWord(insn: u32): bool {
  const a = x((insn >> 15) & 31);
  const b = x((insn >> 20) & 31);
  switch (functions(insn)) {
    case 0x040: return result(insn, word(a) + b); // ADD.UW
    case 0x102: return result(insn, (word(a) << 1) + b); // SH1ADD.UW
    case 0x104: return result(insn, (word(a) << 2) + b);
    case 0x106: return result(insn, (word(a) << 3) + b);
    case 0x044: return (insn >> 20) & 31 ? false : result(insn, a & 0xffff); // ZEXT.H
    case 0x301: return result(insn, rolw(a, b));
    case 0x305: return result(insn, rorw(a, b));
  }
  return false;
}

function immediate(insn: u32): bool {
  const a = x((insn >> 15) & 31);
  const funct3 = (insn >> 12) & 7;
  const amount = ((insn >> 20) & 63) as u64;
  switch (((insn >> 26) << 4) | funct3) {
    case 0x121: return result(insn, a & ~bit(amount)); // BCLRI
    case 0x125: return result(insn, (a >> amount) & 1); // BEXTI
    case 0x1a1: return result(insn, a ^ bit(amount)); // BINVI
    case 0x0a1: return result(insn, a | bit(amount)); // BSETI
    case 0x185: return result(insn, rotr<u64>(a, amount)); // RORI
  }
  switch (((insn >> 20) << 4) | funct3) {
    case 0x6001: return result(insn, clz<u64>(a));
    case 0x6011: return result(insn, ctz<u64>(a));
    case 0x6021: return result(insn, popcnt<u64>(a));
    case 0x6041: return result(insn, (a as i8) as i64); // SEXT.B
    case 0x6051: return result(insn, (a as i16) as i64); // SEXT.H
    case 0x2875: return result(insn, orcb(a));
    case 0x6b85: return result(insn, rev8(a));
  }
  return false;
}

function immediateWord(insn: u32): bool {
  const a = x((insn >> 15) & 31);
  const funct3 = (insn >> 12) & 7;
  if (funct3 == 1 && insn >> 26 == 0x02) return result(insn, word(a) << (((insn >> 20) & 63) as u64)); // SLLI.UW
  if (funct3 == 5 && insn >> 25 == 0x30) return result(insn, rorw(a, ((insn >> 20) & 31) as u64)); // RORIW
  if (funct3 != 1) return false;
  switch (insn >> 20) {
    case 0x600: return result(insn, clzw(a));
    case 0x601: return result(insn, ctzw(a));
    case 0x602: return result(insn, cpopw(a));
  }
  return false;
}
