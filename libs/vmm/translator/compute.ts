/** Code for operations that stay in registers. */
import { isBitOperation, manipulateBits } from './bit-manipulation.js';
import type { Frame } from './frame.js';
import type { Condition, Operation } from './instruction.js';
import { push, pushWord, type Operand } from './operand.js';
import type { Plain } from './wasm/opcodes.js';

/** Operations that are one of WebAssembly's on 64 bits; for the -w ones, the low half of its result sign-extended. */
const WIDE: Partial<Record<Operation, readonly Plain[]>> = {
  add: ['i64.add'],
  sub: ['i64.sub'],
  sll: ['i64.shl'],
  slt: ['i64.lt_s', 'i64.extend_i32_u'],
  sltu: ['i64.lt_u', 'i64.extend_i32_u'],
  xor: ['i64.xor'],
  srl: ['i64.shr_u'],
  sra: ['i64.shr_s'],
  or: ['i64.or'],
  and: ['i64.and'],
  mul: ['i64.mul'],
  addw: ['i64.add', 'i64.extend32_s'],
  subw: ['i64.sub', 'i64.extend32_s'],
  mulw: ['i64.mul', 'i64.extend32_s'],
};

/** Operations that are one of WebAssembly's on the low 32 bits. */
const NARROW: Partial<Record<Operation, Plain>> = { sllw: 'i32.shl', srlw: 'i32.shr_u', sraw: 'i32.shr_s' };

const DIVISIONS: Partial<Record<Operation, readonly ['i32' | 'i64', 'div' | 'rem', 's' | 'u']>> = {
  div: ['i64', 'div', 's'],
  divu: ['i64', 'div', 'u'],
  rem: ['i64', 'rem', 's'],
  remu: ['i64', 'rem', 'u'],
  divw: ['i32', 'div', 's'],
  divuw: ['i32', 'div', 'u'],
  remw: ['i32', 'rem', 's'],
  remuw: ['i32', 'rem', 'u'],
};

const CONDITIONS: Record<Condition, Plain> = {
  beq: 'i64.eq',
  bne: 'i64.ne',
  blt: 'i64.lt_s',
  bge: 'i64.ge_s',
  bltu: 'i64.lt_u',
  bgeu: 'i64.ge_u',
};

/** Pushes the result of an operation. */
export function compute(frame: Frame, operation: Operation, a: Operand, b: Operand): void {
  const { code } = frame;
  const wide = WIDE[operation];
  const narrow = NARROW[operation];
  const division = DIVISIONS[operation];
  if (wide) {
    push(frame, a);
    push(frame, b);
    code.op(...wide);
  } else if (narrow) {
    pushWord(frame, a);
    pushWord(frame, b);
    code.op(narrow, 'i64.extend_i32_s');
  } else if (division) {
    divide(frame, ...division, a, b);
  } else if (isBitOperation(operation)) {
    manipulateBits(frame, operation, a, b);
  } else {
    multiplyHigh(frame, operation, a, b);
  }
}

/** Pushes 1 (i32) if a branch is taken, else 0. */
export function compare(frame: Frame, condition: Condition, rs1: number, rs2: number): void {
  frame.get(rs1);
  frame.get(rs2);
  frame.code.op(CONDITIONS[condition]);
}

/**
 * WebAssembly traps where RISC-V gives a result: division by zero gives all ones and leaves the dividend, and the one
 * overflow gives the dividend and leaves 0 (Unprivileged spec, table "Semantics for division by zero and overflow").
 */
function divide(frame: Frame, type: 'i32' | 'i64', kind: 'div' | 'rem', sign: 's' | 'u', a: Operand, b: Operand): void {
  const { code } = frame;
  const [dividend, divisor] = [frame.scratch('dividend', type), frame.scratch('divisor', type)];
  const constant = (value: number) => (type === 'i32' ? code.i32(value) : code.i64(value));
  const pushAs = type === 'i32' ? pushWord : push;
  pushAs(frame, a);
  code.set(dividend);
  pushAs(frame, b);
  code.tee(divisor).op(`${type}.eqz`);
  const byZero = code.if(type);
  if (kind === 'div') constant(-1);
  else code.get(dividend);
  code.else();
  if (sign === 's') {
    code.get(divisor);
    constant(-1).op(`${type}.eq`);
    const byMinusOne = code.if(type);
    constant(0);
    if (kind === 'div') code.get(dividend).op(`${type}.sub`);
    code.else().get(dividend).get(divisor).op(`${type}.${kind}_s`).end(byMinusOne);
  } else {
    code.get(dividend).get(divisor).op(`${type}.${kind}_u`);
  }
  code.end(byZero);
  if (type === 'i32') code.op('i64.extend_i32_s');
}

/** The upper half of a product, by halves of 32 bits; signed operands correct the unsigned one (as in cpu/arithmetic). */
function multiplyHigh(frame: Frame, operation: Operation, a: Operand, b: Operand): void {
  const { code } = frame;
  const [x, y, t] = [frame.scratch('x', 'i64'), frame.scratch('y', 'i64'), frame.scratch('t', 'i64')];
  const low = (local: number) => code.get(local).i64(0xffff_ffff).op('i64.and');
  const high = (local: number) => code.get(local).i64(32).op('i64.shr_u');
  push(frame, a);
  code.set(x);
  push(frame, b);
  code.set(y);

  // t = high(x) * low(y) + high(low(x) * low(y))
  high(x);
  low(y).op('i64.mul');
  low(x);
  low(y).op('i64.mul').i64(32).op('i64.shr_u', 'i64.add').set(t);
  // high(x) * high(y) + high(t) + high(low(x) * high(y) + low(t))
  high(x);
  high(y).op('i64.mul');
  high(t).op('i64.add');
  low(x);
  high(y).op('i64.mul');
  low(t).op('i64.add').i64(32).op('i64.shr_u', 'i64.add');
  if (operation !== 'mulhu') subtractIfNegative(frame, x, y);
  if (operation === 'mulh') subtractIfNegative(frame, y, x);
}

/** Subtracts `amount` from the value on the stack if `sign` is negative. */
function subtractIfNegative({ code }: Frame, sign: number, amount: number): void {
  code.get(sign).i64(63).op('i64.shr_s').get(amount).op('i64.and', 'i64.sub');
}
