/** Whether the host multiplies and adds doubles in one operation, rounded once, and lets WebAssembly use it. */
import { Code } from './wasm/code.js';
import { ModuleBuilder } from './wasm/module.js';

/** Replaces three doubles on the stack, of locals, by a * b + c: rounded once if `hostFuses`, else perhaps twice. */
export function pushMultiplyAdd(code: Code, a: number, b: number, c: number): void {
  for (const local of [a, b, c]) code.get(local).vector('f64x2.splat');
  code.vector('f64x2.relaxed_madd').extractDouble(0);
}

let answer: boolean | undefined;

/** True if it does, on a processor that has the instruction (x86: FMA3). */
export function hostFuses(): boolean {
  answer ??= hasRelaxedSimd() && multiplyAdds();
  return answer;
}

/** True from V8 11.4 on; before, V8 has it behind the flag --experimental-wasm-relaxed-simd. */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(moduleThatFuses());
}

function multiplyAdds(): boolean {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleThatFuses()));
  const f = exports['f'] as (a: number, b: number, c: number) => number;
  // The last bit of the square is lost if the product is rounded by itself.
  return f(1 + 2 ** -30, 1 + 2 ** -30, -1 - 2 ** -29) === 2 ** -60;
}

function moduleThatFuses(): Uint8Array<ArrayBuffer> {
  const code = new Code({ parameters: ['f64', 'f64', 'f64'], results: ['f64'] });
  pushMultiplyAdd(code, 0, 1, 2);
  const module = new ModuleBuilder();
  module.export('f', module.add(code));
  return module.finish();
}
