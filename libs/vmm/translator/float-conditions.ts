/** Code that asks about numbers: each function pushes 1 (i32) or 0. */
import type { FloatFormat } from './float-instruction.js';
import type { Code } from './wasm/code.js';

export const TYPE = { s: 'f32', d: 'f64' } as const;

const INFINITY = { s: 0x7f80_0000n, d: 0x7ff0_0000_0000_0000n };
const CANONICAL_NAN = { s: 0x7fc0_0000n, d: 0x7ff8_0000_0000_0000n };
const SMALLEST_NORMAL = { s: 0x0080_0000n, d: 0x0010_0000_0000_0000n };

/** Infinite or a NaN. */
export function pushIsNotFinite(code: Code, local: number, format: FloatFormat): void {
  pushIsFinite(code, local, format);
  code.op('i32.eqz');
}

/** So small that it may have been rounded to what it is from something smaller than a normal number; zero, too. */
export function pushIsTiny(code: Code, local: number, format: FloatFormat): void {
  code.get(local).op(`${TYPE[format]}.abs`);
  pushConstant(code, SMALLEST_NORMAL[format], format);
  code.op(`${TYPE[format]}.le`);
}

/** Not below the smallest normal number; the local holds no sign. */
export function pushIsNormalOrMore(code: Code, local: number, format: FloatFormat): void {
  code.get(local);
  pushConstant(code, SMALLEST_NORMAL[format], format);
  code.op(`${TYPE[format]}.ge`);
}

export function pushIsNotZero(code: Code, local: number, format: FloatFormat): void {
  code.get(local);
  pushConstant(code, 0n, format);
  code.op(`${TYPE[format]}.ne`);
}

export function pushIsInfinite(code: Code, local: number, format: FloatFormat): void {
  code.get(local).op(`${TYPE[format]}.abs`);
  pushConstant(code, INFINITY[format], format);
  code.op(`${TYPE[format]}.eq`);
}

export function pushIsFinite(code: Code, local: number, format: FloatFormat): void {
  code.get(local).op(`${TYPE[format]}.abs`);
  pushConstant(code, INFINITY[format], format);
  code.op(`${TYPE[format]}.lt`);
}

/** The one NaN that results are (Unprivileged spec, "NaN Generation and Propagation"). */
export const pushCanonicalNan = (code: Code, format: FloatFormat): void =>
  pushConstant(code, CANONICAL_NAN[format], format);

export function pushIsNan(code: Code, local: number, format: FloatFormat): void {
  code.get(local).get(local).op(`${TYPE[format]}.ne`);
}

function pushConstant(code: Code, bits: bigint, format: FloatFormat): void {
  if (format === 's') code.i32(Number(bits)).op('f32.reinterpret_i32');
  else code.i64(bits).op('f64.reinterpret_i64');
}
