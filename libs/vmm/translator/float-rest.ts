/** Code for what the host's operations round away, as in cpu/float-rest. All numbers are doubles in locals. */
import { pushIsNotZero, pushIsTiny } from './float-conditions.js';
import type { Frame } from './frame.js';

const DIGITS = 53;
const SPLITTER = 2 ** 27 + 1;

/** Pushes x + y - sum, in doubles or, with three singles, in singles. */
export function pushRestOfSum(frame: Frame, x: number, y: number, sum: number, type: 'f32' | 'f64' = 'f64'): void {
  const { code } = frame;
  const [add, sub] = [`${type}.add`, `${type}.sub`] as const;
  const added = frame.scratch('added', type);
  code.get(sum).get(x).op(sub).set(added);
  code.get(x).get(sum).get(added).op(sub, sub).get(y).get(added).op(sub, add);
}

/** Pushes x * y - product. */
export function pushRestOfProduct(frame: Frame, x: number, y: number, product: number): void {
  const { code } = frame;
  const [xHigh, xLow] = split(frame, x, 'x');
  const [yHigh, yLow] = split(frame, y, 'y');
  code.get(xHigh).get(yHigh).op('f64.mul').get(product).op('f64.sub');
  for (const [one, other] of [
    [xHigh, yLow],
    [xLow, yHigh],
    [xLow, yLow],
  ] as const) {
    code.get(one).get(other).op('f64.mul', 'f64.add');
  }
}

/**
 * Pushes 0 (i32) if x * y is surely `product` exactly, else 1. It is if they have so many zeros at their ends that what is
 * before them needs no more digits than a double has, unless it is tiny.
 */
export function pushIsNotProduct({ code }: Frame, x: number, y: number, product: number): void {
  code.get(x).get(y).op('f64.mul').get(product).op('f64.ne');
  code.get(x).op('i64.reinterpret_f64', 'i64.ctz').get(y).op('i64.reinterpret_f64', 'i64.ctz', 'i64.add');
  code.i64(DIGITS).op('i64.lt_u', 'i32.or');
  pushIsTiny(code, product, 'd');
  pushIsNotZero(code, product, 'd');
  code.op('i32.and', 'i32.or');
}

/** The same of three singles, whose product a double holds. */
export function pushIsNotProductOfSingles({ code }: Frame, x: number, y: number, product: number): void {
  code.get(x).op('f64.promote_f32').get(y).op('f64.promote_f32', 'f64.mul');
  code.get(product).op('f64.promote_f32', 'f64.ne');
}

/** Locals with the upper half of a significand, rounded, and what is left. */
function split(frame: Frame, whole: number, name: string): [high: number, low: number] {
  const { code } = frame;
  const local = (part: string) => frame.scratch(`${name} ${part}`, 'f64');
  const [scaled, high, low] = [local('scaled'), local('high'), local('low')];
  code.get(whole).f64(SPLITTER).op('f64.mul').tee(scaled).get(scaled).get(whole).op('f64.sub', 'f64.sub').set(high);
  code.get(whole).get(high).op('f64.sub').set(low);
  return [high, low];
}
