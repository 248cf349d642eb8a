/** The body of one WebAssembly function, written instruction by instruction. Labels are objects, not depths. */
import { Bytes } from './bytes.js';
import {
  ATOMIC,
  ATOMIC_FENCE,
  ATOMIC_PREFIX,
  BLOCK,
  BR,
  BR_IF,
  CALL,
  ELSE,
  END,
  F64X2_EXTRACT_LANE,
  F64_CONST,
  I32_CONST,
  I64_CONST,
  IF,
  LOCAL_GET,
  LOCAL_SET,
  LOCAL_TEE,
  LOOP,
  MEMORY,
  NO_RESULT,
  PLAIN,
  VALUE_TYPES,
  VECTOR,
  VECTOR_PREFIX,
  type AtomicAccess,
  type MemoryAccess,
  type Plain,
  type ValueType,
  type VectorOperation,
} from './opcodes.js';

export interface FunctionType {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Names a construct that is open: a branch to a loop goes to its beginning, any other to its end. */
export interface Label {
  readonly kind: 'block' | 'loop' | 'if';
}

export class Code {
  private readonly instructions = new Bytes();
  private readonly locals: ValueType[] = [];
  private readonly open: Label[] = [];

  constructor(readonly type: FunctionType) {}

  /** A new local, zero at the beginning; its index. Parameters come first: 0, 1, ... */
  local(type: ValueType): number {
    return this.type.parameters.length + this.locals.push(type) - 1;
  }

  get(local: number): this {
    this.instructions.u8(LOCAL_GET).u32(local);
    return this;
  }

  set(local: number): this {
    this.instructions.u8(LOCAL_SET).u32(local);
    return this;
  }

  tee(local: number): this {
    this.instructions.u8(LOCAL_TEE).u32(local);
    return this;
  }

  i32(value: number): this {
    this.instructions.u8(I32_CONST).s32(value);
    return this;
  }

  i64(value: number | bigint): this {
    this.instructions.u8(I64_CONST);
    if (typeof value === 'number' && (value | 0) === value) this.instructions.s32(value);
    else this.instructions.s64(BigInt(value));
    return this;
  }

  f64(value: number): this {
    const bits = new DataView(new ArrayBuffer(8));
    bits.setFloat64(0, value, true);
    this.instructions.u8(F64_CONST).raw(new Uint8Array(bits.buffer));
    return this;
  }

  op(...names: readonly Plain[]): this {
    for (const name of names) this.instructions.u8(PLAIN[name]);
    return this;
  }

  vector(name: VectorOperation): this {
    this.instructions.u8(VECTOR_PREFIX).u32(VECTOR[name]);
    return this;
  }

  /** Replaces two doubles by one of them. */
  extractDouble(lane: 0 | 1): this {
    this.instructions.u8(VECTOR_PREFIX).u32(F64X2_EXTRACT_LANE).u8(lane);
    return this;
  }

  /** A load or store; `offset` in bytes is added to the address on the stack. */
  memory(name: MemoryAccess, offset = 0): this {
    const [opcode, alignment] = MEMORY[name];
    this.instructions.u8(opcode).u32(alignment).u32(offset);
    return this;
  }

  /** Traps (in WebAssembly) if the address is not naturally aligned. */
  atomic(name: AtomicAccess, offset = 0): this {
    const [opcode, alignment] = ATOMIC[name];
    this.instructions.u8(ATOMIC_PREFIX).u32(opcode).u32(alignment).u32(offset);
    return this;
  }

  /** Orders all accesses to memory before it and after it. */
  fence(): this {
    this.instructions.u8(ATOMIC_PREFIX).u32(ATOMIC_FENCE).u8(0);
    return this;
  }

  call(functionIndex: number): this {
    this.instructions.u8(CALL).u32(functionIndex);
    return this;
  }

  block(result?: ValueType): Label {
    return this.begin('block', BLOCK, result);
  }

  loop(): Label {
    return this.begin('loop', LOOP);
  }

  /** Takes the i32 on the stack: zero goes to `else` or the end. */
  if(result?: ValueType): Label {
    return this.begin('if', IF, result);
  }

  else(): this {
    if (this.open.at(-1)?.kind !== 'if') throw new Error('else outside of an if');
    this.instructions.u8(ELSE);
    return this;
  }

  end(label: Label): this {
    if (this.open.pop() !== label) throw new Error('end of a construct that is not the innermost one');
    this.instructions.u8(END);
    return this;
  }

  br(label: Label): this {
    this.instructions.u8(BR).u32(this.depth(label));
    return this;
  }

  brIf(label: Label): this {
    this.instructions.u8(BR_IF).u32(this.depth(label));
    return this;
  }

  /** The entry of the code section, without its size. */
  finish(): Uint8Array {
    if (this.open.length > 0) throw new Error(`${this.open.length} constructs are still open`);
    const body = new Bytes();
    body.u32(this.locals.length);
    for (const type of this.locals) body.u32(1).u8(VALUE_TYPES[type]);
    return body.raw(this.instructions.view()).u8(END).view();
  }

  private begin(kind: Label['kind'], opcode: number, result?: ValueType): Label {
    const label: Label = { kind };
    this.open.push(label);
    this.instructions.u8(opcode).u8(result ? VALUE_TYPES[result] : NO_RESULT);
    return label;
  }

  private depth(label: Label): number {
    const index = this.open.lastIndexOf(label);
    if (index < 0) throw new Error('branch to a construct that is not open');
    return this.open.length - 1 - index;
  }
}
