/** What an operation works on: a guest register or a constant. */
import type { Frame } from './frame.js';

export type Operand = Readonly<{ register: number }> | Readonly<{ constant: number }>;

/** Pushes all 64 bits. */
export function push(frame: Frame, operand: Operand): void {
  if ('register' in operand) frame.get(operand.register);
  else frame.code.i64(operand.constant);
}

/** Pushes the low 32 bits, as i32. */
export function pushWord(frame: Frame, operand: Operand): void {
  if ('constant' in operand) {
    frame.code.i32(operand.constant);
  } else {
    frame.get(operand.register);
    frame.code.op('i32.wrap_i64');
  }
}
