/** Code for a * b + c, rounded once: as in cpu/float-rest, where the reasons are. Operands are doubles in locals. */
import { pushIsNotFinite, pushIsNotZero, pushIsTiny } from './float-conditions.js';
import type { FloatMode } from './float-mode.js';
import { pushMultiplyAdd } from './fusing.js';
import { pushRestOfProduct, pushRestOfSum } from './float-rest.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

const PRODUCT_LIMIT = 1e-288;

/** Pushes the single of three singles, or leaves the region. */
export function pushFusedSingles(
  frame: Frame,
  mode: FloatMode,
  [a, b, c]: readonly [number, number, number],
  place: Place,
): void {
  const { code } = frame;
  const [product, sum] = [frame.scratch('product', 'f64'), frame.scratch('sum', 'f64')];
  const result = frame.scratch('result', 'f32');
  code.get(a).get(b).op('f64.mul').tee(product).get(c).op('f64.add').tee(sum).op('f32.demote_f64').set(result);
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    code.get(sum).op('i64.reinterpret_f64').i64(0x1fff_ffff).op('i64.and').i64(0x1000_0000).op('i64.eq');
    pushIsTiny(code, result, 's');
    pushIsNotZero(code, sum, 'd');
    code.op('i32.and', 'i32.or');
    pushIsNotFinite(code, result, 's');
    code.op('i32.or');
  });
  mode.leaveIfInexact(place, () => {
    code.get(result).op('f64.promote_f32').get(sum).op('f64.ne');
    pushRestOfSum(frame, product, c, sum);
    code.f64(0).op('f64.ne', 'i32.or');
  });
  code.get(result);
}

/** Pushes the double of three doubles, or leaves the region; the host fuses them. */
export function pushFusedByHost(
  frame: Frame,
  mode: FloatMode,
  [a, b, c]: readonly [number, number, number],
  place: Place,
): void {
  const { code } = frame;
  const local = (name: string) => frame.scratch(name, 'f64');
  const [result, product, sum] = [local('result'), local('product'), local('sum')];
  pushMultiplyAdd(code, a, b, c);
  code.set(result);
  frame.leaveIf(place, EXIT_INTERPRET, () => pushIsNotFinite(code, result, 'd'));
  pushIsTiny(code, result, 'd');
  const label = code.if();
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    // Without a product nothing is rounded, and numbers that cancel each other leave nothing to round.
    pushIsNotZero(code, result, 'd');
    pushHasNoRest(frame, a, b);
    code.op('i32.or');
    pushIsProductNotZero(frame, a, b);
    code.op('i32.and');
  });
  code.end(label);
  mode.leaveIfInexact(place, () => {
    const rest = local('rest');
    code.get(a).get(b).op('f64.mul').tee(product).get(c).op('f64.add').set(sum);
    code.get(product).op('f64.neg').set(rest);
    pushMultiplyAdd(code, a, b, rest);
    pushRestOfSum(frame, product, c, sum);
    code.op('f64.add').f64(0).op('f64.ne');
    pushHasNoRest(frame, a, b);
    pushIsProductNotZero(frame, a, b);
    code.op('i32.and', 'i32.or');
  });
  code.get(result);
}

/** The same from products and sums with their rests. */
export function pushFusedFromRests(
  frame: Frame,
  mode: FloatMode,
  [a, b, c]: readonly [number, number, number],
  place: Place,
): void {
  const { code } = frame;
  const local = (name: string) => frame.scratch(name, 'f64');
  const [product, sum, rest] = [local('product'), local('sum'), local('rest')];
  const result = local('result');
  code.get(a).get(b).op('f64.mul').tee(product).get(c).op('f64.add').set(sum);
  pushRestOfSum(frame, product, c, sum);
  pushRestOfProduct(frame, a, b, product);
  code.op('f64.add').set(rest);

  // If nothing is left, the sum is exact, and has the right sign if it is zero.
  code.get(sum).get(sum).get(rest).op('f64.add').get(rest).f64(0).op('f64.eq', 'select').set(result);
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    // What is left has been rounded itself: does it matter how?
    for (const factor of [1 + Number.EPSILON, 1 - Number.EPSILON]) {
      code.get(sum).get(rest).f64(factor).op('f64.mul', 'f64.add').get(result).op('f64.ne');
    }
    pushHasNoRest(frame, a, b);
    pushIsProductNotZero(frame, a, b);
    code.op('i32.and', 'i32.or', 'i32.or');
    pushIsTiny(code, result, 'd');
    pushIsNotZero(code, rest, 'd');
    code.op('i32.and', 'i32.or');
    pushIsNotFinite(code, result, 'd');
    code.op('i32.or');
  });
  mode.leaveIfInexact(place, () => pushIsNotZero(code, rest, 'd'));
  code.get(result);
}

/** Pushes 1 (i32) if a product is so small that what it leaves may be too small for a double, else 0. */
function pushHasNoRest({ code }: Frame, a: number, b: number): void {
  code.get(a).get(b).op('f64.mul', 'f64.abs').f64(PRODUCT_LIMIT).op('f64.lt');
}

function pushIsProductNotZero({ code }: Frame, a: number, b: number): void {
  pushIsNotZero(code, a, 'd');
  pushIsNotZero(code, b, 'd');
  code.op('i32.and');
}
