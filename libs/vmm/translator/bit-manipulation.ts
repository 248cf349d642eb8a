/** Code for the B extension (Zba, Zbb, Zbs; Unprivileged spec, chapter "B"). */
import { push, pushWord, type Operand } from './operand.js';
import type { Frame } from './frame.js';
import type { BitOperation } from './instruction.js';
import type { Plain } from './wasm/opcodes.js';

const WORD = 0xffff_ffff;

/** Code that pushes the result for two operands. */
type Emit = (frame: Frame, a: Operand, b: Operand) => void;

/** (a << amount) + b; of a word, its upper half counts as zero. */
const shiftedSum =
  (amount: number, isWord: boolean): Emit =>
  (frame, a, b) => {
    push(frame, a);
    if (isWord) frame.code.i64(WORD).op('i64.and');
    if (amount > 0) frame.code.i64(amount).op('i64.shl');
    push(frame, b);
    frame.code.op('i64.add');
  };

/** An operation on a and the complement of b. */
const withComplement =
  (operation: Plain): Emit =>
  (frame, a, b) => {
    push(frame, a);
    push(frame, b);
    frame.code.i64(-1).op('i64.xor', operation);
  };

/** a if it is less, or b if that is wanted. */
const lesser =
  (isLess: Plain): Emit =>
  (frame, a, b) => {
    for (const operand of [a, b, a, b]) push(frame, operand);
    frame.code.op(isLess, 'select');
  };

const greater =
  (isLess: Plain): Emit =>
  (frame, a, b) => {
    for (const operand of [a, b, b, a]) push(frame, operand);
    frame.code.op(isLess, 'select');
  };

/** An operation on a and bit b alone. */
const onBit =
  (...operations: readonly Plain[]): Emit =>
  (frame, a, b) => {
    push(frame, a);
    frame.code.i64(1);
    push(frame, b);
    frame.code.op('i64.shl', ...operations);
  };

const unary =
  (operation: Plain): Emit =>
  (frame, a) => {
    push(frame, a);
    frame.code.op(operation);
  };

const unaryWord =
  (operation: Plain): Emit =>
  (frame, a) => {
    pushWord(frame, a);
    frame.code.op(operation, 'i64.extend_i32_u');
  };

const rotated =
  (operation: Plain): Emit =>
  (frame, a, b) => {
    push(frame, a);
    push(frame, b);
    frame.code.op(operation);
  };

const rotatedWord =
  (operation: Plain): Emit =>
  (frame, a, b) => {
    pushWord(frame, a);
    pushWord(frame, b);
    frame.code.op(operation, 'i64.extend_i32_s');
  };

const EMIT: Record<BitOperation, Emit> = {
  'add.uw': shiftedSum(0, true),
  sh1add: shiftedSum(1, false),
  sh2add: shiftedSum(2, false),
  sh3add: shiftedSum(3, false),
  'sh1add.uw': shiftedSum(1, true),
  'sh2add.uw': shiftedSum(2, true),
  'sh3add.uw': shiftedSum(3, true),
  'slli.uw': (frame, a, b) => {
    push(frame, a);
    frame.code.i64(WORD).op('i64.and');
    push(frame, b);
    frame.code.op('i64.shl');
  },
  andn: withComplement('i64.and'),
  orn: withComplement('i64.or'),
  xnor: withComplement('i64.xor'),
  min: lesser('i64.lt_s'),
  minu: lesser('i64.lt_u'),
  max: greater('i64.lt_s'),
  maxu: greater('i64.lt_u'),
  rol: rotated('i64.rotl'),
  ror: rotated('i64.rotr'),
  rolw: rotatedWord('i32.rotl'),
  rorw: rotatedWord('i32.rotr'),
  bset: onBit('i64.or'),
  binv: onBit('i64.xor'),
  bclr: (frame, a, b) => {
    push(frame, a);
    frame.code.i64(1);
    push(frame, b);
    frame.code.op('i64.shl').i64(-1).op('i64.xor', 'i64.and');
  },
  bext: (frame, a, b) => {
    push(frame, a);
    push(frame, b);
    frame.code.op('i64.shr_u').i64(1).op('i64.and');
  },
  clz: unary('i64.clz'),
  ctz: unary('i64.ctz'),
  cpop: unary('i64.popcnt'),
  clzw: unaryWord('i32.clz'),
  ctzw: unaryWord('i32.ctz'),
  cpopw: unaryWord('i32.popcnt'),
  'sext.b': unary('i64.extend8_s'),
  'sext.h': unary('i64.extend16_s'),
  'zext.h': (frame, a) => {
    push(frame, a);
    frame.code.i64(0xffff).op('i64.and');
  },
  'orc.b': combineBytes,
  rev8: reverseBytes,
};

export const isBitOperation = (operation: string): operation is BitOperation => operation in EMIT;

/** Pushes the result; operations on one value leave out `b`. */
export const manipulateBits = (frame: Frame, operation: BitOperation, a: Operand, b: Operand): void =>
  EMIT[operation](frame, a, b);

/** As cpu/bit-manipulation: the top bit of each byte that is not zero is spread over it. */
function combineBytes(frame: Frame, a: Operand): void {
  const { code } = frame;
  const low = 0x7f7f_7f7f_7f7f_7f7fn;
  const tops = frame.scratch('tops', 'i64');
  push(frame, a);
  code.i64(low).op('i64.and').i64(low).op('i64.add');
  push(frame, a);
  code.op('i64.or').i64(~low).op('i64.and').tee(tops).i64(1).op('i64.shl');
  code.get(tops).i64(7).op('i64.shr_u', 'i64.sub');
}

/** Neighbours change places: bytes, then pairs of them, then halves. */
function reverseBytes(frame: Frame, a: Operand): void {
  const { code } = frame;
  const value = frame.scratch('reversed', 'i64');
  push(frame, a);
  for (const [bits, mask] of [
    [8, 0x00ff_00ff_00ff_00ffn],
    [16, 0x0000_ffff_0000_ffffn],
  ] as const) {
    code.tee(value).i64(mask).op('i64.and').i64(bits).op('i64.shl');
    code.get(value).i64(bits).op('i64.shr_u').i64(mask).op('i64.and', 'i64.or');
  }
  code.i64(32).op('i64.rotl');
}
