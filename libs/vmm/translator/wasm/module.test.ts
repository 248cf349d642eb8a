import { expect, test } from 'vitest';
import { Bytes } from './bytes.js';
import { Code, type FunctionType } from './code.js';
import { ModuleBuilder } from './module.js';
import type { Plain } from './opcodes.js';

const UNARY: FunctionType = { parameters: ['i64'], results: ['i64'] };
const BINARY: FunctionType = { parameters: ['i64', 'i64'], results: ['i64'] };

/** Instantiates a module with one function. */
function compile(code: Code, imports: WebAssembly.Imports = {}, prepare?: (module: ModuleBuilder) => void) {
  const builder = new ModuleBuilder();
  prepare?.(builder);
  builder.export('f', builder.add(code));
  const instance = new WebAssembly.Instance(new WebAssembly.Module(builder.finish()), imports);
  return instance.exports.f as (...values: (bigint | number)[]) => bigint;
}

test('integers are encoded as LEB128', () => {
  const unsigned = (value: number) => [...new Bytes().u32(value).view()];
  expect(unsigned(0)).toEqual([0]);
  expect(unsigned(127)).toEqual([127]);
  expect(unsigned(624_485)).toEqual([0xe5, 0x8e, 0x26]); // the example of the DWARF specification
  expect(unsigned(0xffff_ffff)).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f]);
  for (const value of [0, 1, -1, 63, 64, -64, -65, 624_485, -123_456, 2 ** 31 - 1, -(2 ** 31)]) {
    expect([...new Bytes().s32(value).view()]).toEqual([...new Bytes().s64(BigInt(value)).view()]);
  }
  expect([...new Bytes().s32(-123_456).view()]).toEqual([0xc0, 0xbb, 0x78]);
});

test('constants of every size arrive', () => {
  for (const value of [0n, -1n, 64n, -65n, 2n ** 31n, -(2n ** 31n), 2n ** 63n - 1n, -(2n ** 63n)]) {
    expect(compile(new Code({ parameters: [], results: ['i64'] }).i64(value))()).toBe(value);
  }
});

test('a loop with a way out adds the numbers up to n', () => {
  const code = new Code(UNARY);
  const sum = code.local('i64');
  const done = code.block();
  const again = code.loop();
  code.get(0).op('i64.eqz').brIf(done);
  code.get(sum).get(0).op('i64.add').set(sum);
  code.get(0).i64(1).op('i64.sub').set(0).br(again);
  code.end(again).end(done).get(sum);
  expect(compile(code)(10n)).toBe(55n);
});

test('if and else choose a value', () => {
  const code = new Code(BINARY).get(0).get(1).op('i64.lt_s');
  const smaller = code.if('i64');
  code.get(0).else().get(1).end(smaller);
  const minimum = compile(code);
  expect([minimum(3n, 5n), minimum(5n, -3n)]).toEqual([3n, -3n]);
});

test('operations have the opcodes of their names', () => {
  const results: [Plain, bigint, bigint, bigint][] = [
    ['i64.add', 7n, -9n, -2n],
    ['i64.sub', 7n, -9n, 16n],
    ['i64.mul', 7n, -9n, -63n],
    ['i64.div_s', -7n, 2n, -3n],
    ['i64.div_u', -1n, 2n, 2n ** 63n - 1n],
    ['i64.rem_s', -7n, 2n, -1n],
    ['i64.rem_u', -1n, 10n, 5n],
    ['i64.and', 12n, 10n, 8n],
    ['i64.or', 12n, 10n, 14n],
    ['i64.xor', 12n, 10n, 6n],
    ['i64.shl', 1n, 65n, 2n],
    ['i64.shr_s', -8n, 1n, -4n],
    ['i64.shr_u', -8n, 1n, 2n ** 63n - 4n],
  ];
  for (const [name, a, b, result] of results) {
    expect(compile(new Code(BINARY).get(0).get(1).op(name))(a, b), name).toBe(result);
  }
  expect(compile(new Code(UNARY).get(0).op('i64.extend32_s'))(0x1_8000_0000n)).toBe(-(2n ** 31n));
});

test('loads, stores and atomics reach the shared memory', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const withMemory = (module: ModuleBuilder) =>
    module.importSharedMemory('env', 'memory', { addresses: 'i32', initialPages: 1, maximumPages: 1 });
  const code = new Code(UNARY);
  code.i32(8).get(0).memory('i64.store16', 2);
  code.i32(8).i64(5).atomic('i64.atomic.rmw32.add_u', 0).op('drop');
  code.fence().i32(16).memory('i64.load8_s').i32(8).memory('i64.load').op('i64.add');
  new DataView(memory.buffer).setUint8(16, 0xff);
  expect(compile(code, { env: { memory } }, withMemory)(0xabcdn)).toBe(0xabcd_0005n - 1n);
});

test('imported functions come before own ones', () => {
  const builder = new ModuleBuilder();
  const twice = builder.importFunction('env', 'twice', UNARY);
  const inner = builder.add(new Code(UNARY).get(0).call(twice).i64(1).op('i64.add'));
  builder.export('f', builder.add(new Code(UNARY).get(0).call(inner)));
  const env = { twice: (value: bigint) => 2n * value };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(builder.finish()), { env });
  expect((exports.f as (value: bigint) => bigint)(20n)).toBe(41n);
  expect(() => builder.importFunction('env', 'late', UNARY)).toThrow('import them first');
});

test('what is not well nested is refused while it is written', () => {
  const code = new Code(UNARY);
  const outer = code.block();
  const inner = code.loop();
  expect(() => code.end(outer)).toThrow('not the innermost');
  expect(() => new Code(UNARY).br(inner)).toThrow('not open');
  expect(() => new Code(UNARY).else()).toThrow('outside of an if');
  const open = new Code(UNARY);
  open.block();
  expect(() => open.finish()).toThrow('1 constructs are still open');
});
