/** Code for results that are infinite or no numbers, where the host's need no exception that is not accrued already. */
import { pushCanonicalNan, pushIsInfinite, pushIsNan, pushIsNotFinite } from './float-conditions.js';
import type { FloatFormat } from './float-instruction.js';
import type { FloatMode } from './float-mode.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

/**
 * Leaves the region if `result` is infinite and no operand is (it overflowed, or was divided by zero), or if it is a NaN
 * and NV is not set. Makes NaNs the canonical one. Results and operands are in locals.
 */
export function settleSpecial(
  frame: Frame,
  mode: FloatMode,
  result: number,
  operands: readonly number[],
  format: FloatFormat,
  place: Place,
): void {
  const { code } = frame;
  pushIsNotFinite(code, result, format);
  const special = code.if();
  pushIsNan(code, result, format);
  const nan = code.if();
  mode.leaveUnlessInvalid(place);
  pushCanonicalNan(code, format);
  code.set(result).else();
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    operands.forEach((operand, index) => {
      pushIsInfinite(code, operand, format);
      if (index > 0) code.op('i32.or');
    });
    code.op('i32.eqz');
  });
  code.end(nan).end(special);
}

/** Leaves the region if a number is a NaN, unless NV is set; then comparisons with it are what the host's are: false. */
export function leaveIfNan(
  frame: Frame,
  mode: FloatMode,
  operands: readonly number[],
  format: FloatFormat,
  place: Place,
): void {
  const { code } = frame;
  operands.forEach((operand, index) => {
    pushIsNan(code, operand, format);
    if (index > 0) code.op('i32.or');
  });
  const nan = code.if();
  mode.leaveUnlessInvalid(place);
  code.end(nan);
}
