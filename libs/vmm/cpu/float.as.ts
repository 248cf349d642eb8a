/**
 * Instructions of F and D (Unprivileged spec, chapters "F" and "D"): operands from the f and x registers, what is
 * legal, where results go. Each function executes one instruction; false if it is illegal, and then nothing happened.
 */
import { H_F } from '../layout';
import { RMM, markFloatDirty, floatIsOn, roundingMode } from './fcsr.as';
import {
  add, classify, divide, equal, fused, less, lessOrEqual, maximum, minimum, multiply, squareRoot, subtract,
} from './float-arithmetic.as';
import { LU, fromInteger, narrow, toInteger, widen } from './float-convert.as';
import { canonicalNan, fromBits, signBit } from './float-format.as';
import { read, write } from './memory.as';
import { diverted, hart, setX, x } from './registers.as';

/** funct5 of OP-FP. */
const enum Operation {
  FADD = 0, FSUB = 1, FMUL = 2, FDIV = 3, FSGNJ = 4, FMINMAX = 5, FCVT_FORMAT = 8, FSQRT = 11, FCMP = 20,
  FCVT_TO_X = 24, FCVT_FROM_X = 26, FMV_TO_X = 28, FMV_FROM_X = 30,
}

/** Operations that round, or at least have a rounding mode, as a bit mask. */
const ROUNDED: u32 = (1 << Operation.FADD) | (1 << Operation.FSUB) | (1 << Operation.FMUL) | (1 << Operation.FDIV)
  | (1 << Operation.FCVT_FORMAT) | (1 << Operation.FSQRT) | (1 << Operation.FCVT_TO_X) | (1 << Operation.FCVT_FROM_X);

// Format field.
const S: u32 = 0;
const D: u32 = 1;
/** A single in the lower half of a register has ones above it; else it counts as the canonical NaN. */
export const BOX: u64 = 0xffff_ffff_0000_0000;

@inline
function raw(i: u32): u64 {
  return load<u64>(hart + (i << 3), H_F);
}

@inline
function setRaw(i: u32, value: u64): void {
  store<u64>(hart + (i << 3), value, H_F);
  markFloatDirty();
}

@inline
function f<F>(i: u32): u64 {
  const all = raw(i);
  if (sizeof<F>() == 8) return all;
  return all >= BOX ? all & 0xffff_ffff : canonicalNan<F>();
}

@inline
function setF<F>(i: u32, value: u64): void {
  setRaw(i, sizeof<F>() == 8 ? value : value | BOX);
}

@inline
function rd(insn: u32): u32 {
  return (insn >> 7) & 31;
}

@inline
function funct3(insn: u32): u32 {
  return (insn >> 12) & 7;
}

/** FLW or FLD where the run loop's way is not enough. False if it is illegal; if it traps, `diverted` is set. */
export function loadFloat(i: u32, va: u64, size: u32): bool {
  if (!floatIsOn()) return false;
  const value = read(va, size);
  if (!diverted) setRaw(i, size == 8 ? value : value | BOX);
  return true;
}

/** FSW or FSD, likewise. */
export function storeFloat(i: u32, va: u64, size: u32): bool {
  if (!floatIsOn()) return false;
  write(va, size, raw(i));
  return true;
}

/** MADD, MSUB, NMSUB and NMADD, told apart by bits 2 and 3. */
export function executeFloatFused(insn: u32): bool {
  if (!floatIsOn()) return false;
  switch ((insn >> 25) & 3) {
    case S: return fusedOf<f32>(insn);
    case D: return fusedOf<f64>(insn);
  }
  return false;
}

function fusedOf<F>(insn: u32): bool {
  const rm = roundingMode(insn);
  if (rm > RMM) return false;
  const negateProduct = (insn >> 3) & 1;
  const negateAddend = (insn >> 2) & 1;
  const a = f<F>((insn >> 15) & 31) ^ (negateProduct ? signBit<F>() : 0);
  const c = f<F>(insn >> 27) ^ (negateAddend ? signBit<F>() : 0);
  setF<F>(rd(insn), fused<F>(a, f<F>((insn >> 20) & 31), c, rm));
  return true;
}

/** OP-FP: all others. */
export function executeFloat(insn: u32): bool {
  if (!floatIsOn()) return false;
  switch ((insn >> 25) & 3) {
    case S: return operationOf<f32>(insn);
    case D: return operationOf<f64>(insn);
  }
  return false;
}

function operationOf<F>(insn: u32): bool {
  const operation = insn >> 27;
  const rm = roundingMode(insn);
  if (rm > RMM && (ROUNDED >> operation) & 1) return false;
  const from = (insn >> 15) & 31;
  const other = (insn >> 20) & 31;
  switch (operation) {
    case Operation.FADD: setF<F>(rd(insn), add<F>(f<F>(from), f<F>(other), rm)); return true;
    case Operation.FSUB: setF<F>(rd(insn), subtract<F>(f<F>(from), f<F>(other), rm)); return true;
    case Operation.FMUL: setF<F>(rd(insn), multiply<F>(f<F>(from), f<F>(other), rm)); return true;
    case Operation.FDIV: setF<F>(rd(insn), divide<F>(f<F>(from), f<F>(other), rm)); return true;
    case Operation.FSQRT:
      if (other) return false;
      setF<F>(rd(insn), squareRoot<F>(f<F>(from), rm));
      return true;
    case Operation.FSGNJ: return injectSign<F>(insn);
    case Operation.FMINMAX: return selectOf<F>(insn);
    case Operation.FCMP: return compareOf<F>(insn);
    case Operation.FCVT_FORMAT: // from the other format, which `other` names
      if (other != (sizeof<F>() == 8 ? S : D)) return false;
      if (sizeof<F>() == 8) setF<f64>(rd(insn), widen(f<f32>(from)));
      else setF<f32>(rd(insn), narrow(f<f64>(from), rm));
      return true;
    case Operation.FCVT_TO_X:
      if (other > LU) return false;
      setX(rd(insn), toInteger(fromBits<F>(f<F>(from)) as f64, other, rm));
      return true;
    case Operation.FCVT_FROM_X:
      if (other > LU) return false;
      setF<F>(rd(insn), fromInteger<F>(x(from), other, rm));
      return true;
    case Operation.FMV_TO_X: return toX<F>(insn);
    case Operation.FMV_FROM_X: return fromX<F>(insn);
  }
  return false;
}

function injectSign<F>(insn: u32): bool {
  const a = f<F>((insn >> 15) & 31);
  const b = f<F>((insn >> 20) & 31);
  const sign = signBit<F>();
  switch (funct3(insn)) {
    case 0: setF<F>(rd(insn), (a & ~sign) | (b & sign)); return true; // FSGNJ
    case 1: setF<F>(rd(insn), (a & ~sign) | (~b & sign)); return true; // FSGNJN
    case 2: setF<F>(rd(insn), a ^ (b & sign)); return true; // FSGNJX
  }
  return false;
}

function selectOf<F>(insn: u32): bool {
  const a = f<F>((insn >> 15) & 31);
  const b = f<F>((insn >> 20) & 31);
  switch (funct3(insn)) {
    case 0: setF<F>(rd(insn), minimum<F>(a, b)); return true;
    case 1: setF<F>(rd(insn), maximum<F>(a, b)); return true;
  }
  return false;
}

function compareOf<F>(insn: u32): bool {
  const a = f<F>((insn >> 15) & 31);
  const b = f<F>((insn >> 20) & 31);
  switch (funct3(insn)) {
    case 0: setX(rd(insn), lessOrEqual<F>(a, b) as u64); return true;
    case 1: setX(rd(insn), less<F>(a, b) as u64); return true;
    case 2: setX(rd(insn), equal<F>(a, b) as u64); return true;
  }
  return false;
}

/** FMV.X.W, which does not look at the box, FMV.X.D and FCLASS. */
function toX<F>(insn: u32): bool {
  const from = (insn >> 15) & 31;
  if ((insn >> 20) & 31) return false;
  switch (funct3(insn)) {
    case 0: setX(rd(insn), sizeof<F>() == 8 ? raw(from) : ((raw(from) as i32) as i64)); return true;
    case 1: setX(rd(insn), classify<F>(f<F>(from))); return true;
  }
  return false;
}

/** FMV.W.X, FMV.D.X. */
function fromX<F>(insn: u32): bool {
  if ((insn >> 20) & 31 || funct3(insn)) return false;
  setF<F>(rd(insn), sizeof<F>() == 8 ? x((insn >> 15) & 31) : x((insn >> 15) & 31) & 0xffff_ffff);
  return true;
}
