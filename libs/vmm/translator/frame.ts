/**
 * What surrounds the code of a region: its parameters, the locals that hold guest registers, and the ways out.
 *
 * A translated function has the signature (hart: address, left: i32, pc: i64, context: i64) -> i32. `hart` is the address
 * of the hart's block, `left` how many instructions it may execute, `pc` the address of the region's entry, `context` the
 * rules for loads and stores (cpu/privilege). When it returns, H_PC and all registers are in the hart's block, and the
 * result is twice what is left of the budget (negative if it was overdrawn), plus EXIT_INTERPRET.
 */
import { EXIT_INTERPRET } from '../cpu/translation-area.js';
import { H_PC, H_X } from '../layout.js';
import type { AddressType } from '../wasm-memory.js';
import type { RegisterUse } from './registers.js';
import { Code, type FunctionType, type Label } from './wasm/code.js';
import type { ValueType } from './wasm/opcodes.js';

export { EXIT_INTERPRET };
const regionType = (address: AddressType): FunctionType => ({
  parameters: [address, 'i32', 'i64', 'i64'],
  results: ['i32'],
});
/** Another region may go on at H_PC. */
export const EXIT_CHAIN = 0;
type Exit = typeof EXIT_INTERPRET | typeof EXIT_CHAIN;

/** A place in a region from which it can be left. */
export interface Place {
  readonly block: number;
  /** Of the instruction to go on with, in the page. */
  readonly offset: number;
  /** How many of the block's instructions, which are all counted when it begins, are not executed. */
  readonly undone: number;
}

// A way out to a constant place is one i64: the place's offset, what is undone, and in the lowest bit Exit.
const TARGET_SHIFT = 16;
const UNDONE_SHIFT = 1;
const UNDONE_MASK = 0x7fff;

export class Frame {
  readonly code: Code;
  readonly hart = 0;
  readonly left = 1;
  /** Holds the address of the page that the region is entered by; code computes all addresses from it. */
  readonly page = 2;
  readonly context = 3;
  private readonly locals: number[] = [];
  private readonly scratches = new Map<string, number>();
  private readonly sharedExits = new Map<number, Label>();

  /** `address`: the type of addresses in the VM's memory. */
  constructor(
    private readonly use: RegisterUse,
    readonly address: AddressType,
  ) {
    this.code = new Code(regionType(address));
  }

  /** Writes the whole function; `body` writes the region's code, which never gets to its end. */
  write(body: () => void): Code {
    const { code } = this;
    code.get(this.page).i64(-4096).op('i64.and').set(this.page);
    eachRegister(this.use.loaded, (register) => {
      code.get(this.hart).memory('i64.load', H_X + 8 * register);
      this.set(register);
    });
    const spills = [...new Set(this.use.written)];
    for (const spilled of spills) this.sharedExits.set(spilled, code.block('i64'));
    body();
    code.op('unreachable');
    for (const spilled of spills.toReversed()) {
      code.end(this.sharedExits.get(spilled)!);
      this.finishSharedExit(spilled);
    }
    return code;
  }

  /** Pushes a guest register. */
  get(register: number): void {
    if (register === 0) this.code.i64(0);
    else this.code.get(this.local(register));
  }

  /** Pops a guest register. */
  set(register: number): void {
    if (register === 0) this.code.op('drop');
    else this.code.set(this.local(register));
  }

  /** A local for values that live within one instruction; the same one for the same name. */
  scratch(name: string, type: ValueType): number {
    const key = `${type} ${name}`;
    const local = this.scratches.get(key) ?? this.code.local(type);
    this.scratches.set(key, local);
    return local;
  }

  /** Pushes the virtual address of what lies `offset` bytes behind the beginning of the page. */
  pushGuestAddress(offset: number): void {
    this.code.get(this.page).i64(offset).op('i64.add');
  }

  /** Leaves the region from the end of a block. The new pc is on the stack. */
  leave(block: number, exit: Exit): void {
    const { code } = this;
    const pc = this.scratch('pc', 'i64');
    code.set(pc);
    this.spill(this.use.written[block]!);
    code.get(this.hart).get(pc).memory('i64.store', H_PC);
    code.get(this.left).i32(1).op('i32.shl');
    if (exit) code.i32(exit).op('i32.or');
    code.op('return');
  }

  /** Leaves the region, if `pushCondition` pushes an i32 that is not zero, to go on at `place`. */
  leaveIf(place: Place, exit: Exit, pushCondition: () => void): void {
    const { code } = this;
    const label = this.pushWay(place, exit);
    pushCondition();
    code.brIf(label).op('drop');
  }

  /** As leaveIf, in any case. */
  leaveAt(place: Place, exit: Exit): void {
    const label = this.pushWay(place, exit);
    this.code.br(label);
  }

  private pushWay({ block, offset, undone }: Place, exit: Exit): Label {
    this.code.i64((BigInt(offset) << BigInt(TARGET_SHIFT)) | BigInt((undone << UNDONE_SHIFT) | exit));
    return this.sharedExits.get(this.use.written[block]!)!;
  }

  private finishSharedExit(spilled: number): void {
    const { code } = this;
    const way = this.scratch('way', 'i64');
    code.set(way);
    this.spill(spilled);
    code.get(this.hart).get(this.page).get(way).i64(TARGET_SHIFT).op('i64.shr_s', 'i64.add').memory('i64.store', H_PC);
    code.get(way).op('i32.wrap_i64').i32(UNDONE_SHIFT).op('i32.shr_u').i32(UNDONE_MASK).op('i32.and');
    code.get(this.left).op('i32.add').i32(1).op('i32.shl');
    code.get(way).op('i32.wrap_i64').i32(EXIT_INTERPRET).op('i32.and', 'i32.or', 'return');
  }

  private spill(registers: number): void {
    eachRegister(registers, (register) => {
      this.code.get(this.hart);
      this.get(register);
      this.code.memory('i64.store', H_X + 8 * register);
    });
  }

  private local(register: number): number {
    return (this.locals[register] ??= this.code.local('i64'));
  }
}

function eachRegister(mask: number, use: (register: number) => void): void {
  for (let register = 1; register < 32; register++) if ((mask >>> register) & 1) use(register);
}
