/** Code for a * b + c, rounded once: as `fusedSingles` and `fusedDoubles` of cpu/float-arithmetic, where the reasons are. */
import { pushIsNotFinite, pushIsNotZero, pushIsTiny } from './float-conditions.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';

/** Below it, what a product of doubles leaves may be too small for a double. */
const PRODUCT_LIMIT = 1e-288;
const SPLITTER = 2 ** 27 + 1;

/** Pushes the single of three singles, which are given as doubles in locals, or leaves the region. */
export function pushFusedSingles(frame: Frame, a: number, b: number, c: number, place: Place): void {
  const { code } = frame;
  const [sum, result] = [frame.scratch('sum', 'f64'), frame.scratch('result', 'f32')];
  code.get(a).get(b).op('f64.mul').get(c).op('f64.add').tee(sum).op('f32.demote_f64').set(result);
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    code.get(sum).op('i64.reinterpret_f64').i64(0x1fff_ffff).op('i64.and').i64(0x1000_0000).op('i64.eq');
    pushIsTiny(code, result, 's');
    pushIsNotZero(code, sum, 'd');
    code.op('i32.and', 'i32.or');
    pushIsNotFinite(code, result, 's');
    code.op('i32.or');
  });
  code.get(result);
}

/** Pushes the double of three doubles in locals, or leaves the region. */
export function pushFusedDoubles(frame: Frame, a: number, b: number, c: number, place: Place): void {
  const { code } = frame;
  const local = (name: string) => frame.scratch(name, 'f64');
  const [product, sum, result, other] = [local('product'), local('sum'), local('result'), local('other')];
  const rest = local('rest');
  code.get(a).get(b).op('f64.mul').set(product);
  pushProductRest(frame, a, b, product);
  code.set(rest);
  code.get(product).get(c).op('f64.add').set(sum);
  pushSumRest(frame, product, c, sum);
  code.get(rest).op('f64.add').set(rest);

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
  code.get(result);
}

function pushProductRest(frame: Frame, a: number, b: number, product: number): void {
  const { code } = frame;
  const [aHigh, aLow] = split(frame, a, 'a');
  const [bHigh, bLow] = split(frame, b, 'b');
  code.get(aHigh).get(bHigh).op('f64.mul').get(product).op('f64.sub');
  for (const [x, y] of [
    [aHigh, bLow],
    [aLow, bHigh],
    [aLow, bLow],
  ] as const) {
    code.get(x).get(y).op('f64.mul', 'f64.add');
  }
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

function pushSumRest(frame: Frame, x: number, y: number, sum: number): void {
  const { code } = frame;
  const added = frame.scratch('added', 'f64');
  code.get(sum).get(x).op('f64.sub').set(added);
  code.get(x).get(sum).get(added).op('f64.sub', 'f64.sub').get(y).get(added).op('f64.sub', 'f64.add');
}

function pushSumWith({ code }: Frame, sum: number, rest: number, factor: number): void {
  code.get(sum).get(rest).f64(factor).op('f64.mul', 'f64.add');
}
