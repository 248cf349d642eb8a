/** A WebAssembly module put together from functions: imports, exports, code. Binary format: Core Specification 2.0. */
import { Bytes } from './bytes.js';
import type { Code, FunctionType } from './code.js';
import { VALUE_TYPES } from './opcodes.js';

const MAGIC = Uint8Array.of(0x00, 0x61, 0x73, 0x6d);
const VERSION = Uint8Array.of(1, 0, 0, 0);
const FUNCTION_TYPE = 0x60;
/** Limits of a shared memory, which has a maximum; with 64-bit addresses (memory64 proposal, binary format). */
const SHARED_WITH_MAXIMUM = 3;
const LONG_ADDRESSES = 4;
/** Kinds of imports and exports. */
const FUNCTION = 0;
const MEMORY = 2;
/** Ids of sections, in the order in which they must come. */
const SECTIONS = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;

/** Sizes in WebAssembly pages of 64 KiB; the maximum must be at least that of the memory that is given. */
interface MemoryLimits {
  readonly addresses: 'i32' | 'i64';
  readonly initialPages: number;
  readonly maximumPages: number;
}

interface Import {
  readonly module: string;
  readonly name: string;
  /** Kind and description, encoded. */
  readonly description: Uint8Array;
}

export class ModuleBuilder {
  private readonly types: FunctionType[] = [];
  private readonly imports: Import[] = [];
  private importedFunctions = 0;
  private readonly functions: Code[] = [];
  private readonly exports: { readonly name: string; readonly index: number }[] = [];

  importSharedMemory(module: string, name: string, { addresses, initialPages, maximumPages }: MemoryLimits): void {
    const flags = addresses === 'i64' ? SHARED_WITH_MAXIMUM | LONG_ADDRESSES : SHARED_WITH_MAXIMUM;
    const limits = new Bytes().u8(MEMORY).u8(flags).u32(initialPages).u32(maximumPages);
    this.imports.push({ module, name, description: limits.view() });
  }

  /** The function's index. All imports must come before the first function of the module's own. */
  importFunction(module: string, name: string, type: FunctionType): number {
    if (this.functions.length > 0) throw new Error('imported functions have the first indices: import them first');
    const description = new Bytes().u8(FUNCTION).u32(this.typeIndex(type)).view();
    this.imports.push({ module, name, description });
    return this.importedFunctions++;
  }

  /** The function's index. */
  add(code: Code): number {
    return this.importedFunctions + this.functions.push(code) - 1;
  }

  export(name: string, functionIndex: number): void {
    this.exports.push({ name, index: functionIndex });
  }

  finish(): Uint8Array<ArrayBuffer> {
    const functionTypes = this.functions.map(({ type }) => this.typeIndex(type)); // may add types
    const module = new Bytes().raw(MAGIC).raw(VERSION);
    section(module, SECTIONS.type, this.types, (bytes, type) => {
      bytes.u8(FUNCTION_TYPE);
      for (const values of [type.parameters, type.results]) {
        bytes.u32(values.length);
        for (const value of values) bytes.u8(VALUE_TYPES[value]);
      }
    });
    section(module, SECTIONS.import, this.imports, (bytes, { module: from, name, description }) =>
      bytes.name(from).name(name).raw(description),
    );
    section(module, SECTIONS.function, functionTypes, (bytes, type) => bytes.u32(type));
    section(module, SECTIONS.export, this.exports, (bytes, { name, index }) =>
      bytes.name(name).u8(FUNCTION).u32(index),
    );
    section(module, SECTIONS.code, this.functions, (bytes, code) => bytes.sized(code.finish()));
    return module.view().slice();
  }

  private typeIndex(type: FunctionType): number {
    const key = JSON.stringify(type);
    const index = this.types.findIndex((known) => JSON.stringify(known) === key);
    return index < 0 ? this.types.push(type) - 1 : index;
  }
}

/** A section is a vector of entries; an empty one is left out. */
function section<T>(module: Bytes, id: number, entries: readonly T[], write: (bytes: Bytes, entry: T) => void): void {
  if (entries.length === 0) return;
  const content = new Bytes().u32(entries.length);
  for (const entry of entries) write(content, entry);
  module.u8(id).sized(content.view());
}
