/**
 * Has asc compile for WebAssembly memories with 64-bit addresses (`--transform ./tools/wasm64.mjs --enable memory64`). Its
 * compiler can, but asc offers no option for it, and does not tell Binaryen that the memory is one.
 */
const WASM64 = 2; // AssemblyScript's Target

/** What asc constructs, with `binaryen` and `program` in its prototype. */
export default function Wasm64() {
  // oxlint-disable-next-line oxc/no-this-in-exported-function -- it is a constructor
  const { binaryen, program } = this;
  const { module, options } = program;
  options.target = WASM64;
  module.sizeType = binaryen['_BinaryenTypeInt64']();
  module.setMemory = (initial, maximum, segments, _target, exportName, name, shared) => {
    if (segments.length > 0) throw new Error('static data: tools/wasm64.mjs does not hand it on');
    const [exported, its] = [exportName, name].map((text) => module.allocStringCached(text));
    const noSegments = [0, 0, 0, 0, 0, 0];
    binaryen['_BinaryenSetMemory'](module.ref, initial, maximum, exported, ...noSegments, shared, true, its);
  };
}
