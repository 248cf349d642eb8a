/** Code for a * b + c, rounded once: as in cpu/float-rest, where the reasons are. Operands are doubles in locals. */
import { pushIsNotFinite, pushIsNotZero, pushIsTiny } from './float-conditions.js';
import type { FloatMode } from './float-mode.js';
import { pushRestOfProduct, pushRestOfSum } from './float-rest.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

/** Below it, the rest of a product may be too small for a double. */
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

/** Pushes the double of three doubles, or leaves the region. */
export function pushFusedDoubles(
  frame: Frame,
  mode: FloatMode,
  [a, b, c]: readonly [number, number, number],
  place: Place,
): void {
  const { code } = frame;
  const local = (name: string) => frame.scratch(name, 'f64');
  const [product, sum, rest] = [local('product'), local('sum'), local('rest')];
  const [result, other] = [local('result'), local('other')];
  code.get(a).get(b).op('f64.mul').tee(product).get(c).op('f64.add').set(sum);
  pushRestOfSum(frame, product, c, sum);
  pushRestOfProduct(frame, a, b, product);
  code.op('f64.add').set(rest);

  // If nothing is left, the sum is exact, and has the right sign if it is zero.
  code.get(sum);
  pushSumWith(frame, sum, rest, 1 + Number.EPSILON);
  code.get(rest).f64(0).op('f64.eq', 'select').set(result);
  pushSumWith(frame, sum, rest, 1 - Number.EPSILON);
  code.set(other);
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    code.get(result).get(other).op('f64.ne');
    code.get(product).op('f64.abs').f64(PRODUCT_LIMIT).op('f64.lt');
    pushIsNotZero(code, a, 'd');
    pushIsNotZero(code, b, 'd');
    code.op('i32.and', 'i32.and', 'i32.or');
    pushIsTiny(code, result, 'd');
    pushIsNotZero(code, rest, 'd');
    code.op('i32.and', 'i32.or');
    pushIsNotFinite(code, result, 'd');
    code.op('i32.or');
  });
  mode.leaveIfInexact(place, () => pushIsNotZero(code, rest, 'd'));
  code.get(result);
}

function pushSumWith({ code }: Frame, sum: number, rest: number, factor: number): void {
  code.get(sum).get(rest).f64(factor).op('f64.mul', 'f64.add');
}
