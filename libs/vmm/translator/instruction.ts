/** One guest instruction, decoded for translation: what it does, without how its bits are laid out. */
import type { FloatAction } from './float-instruction.js';

/** Operations on one or two values that cannot trap; -w ones take the low 32 bits and sign-extend their result. */
// prettier-ignore
export type Operation =
  | 'add' | 'sub' | 'sll' | 'slt' | 'sltu' | 'xor' | 'srl' | 'sra' | 'or' | 'and'
  | 'addw' | 'subw' | 'sllw' | 'srlw' | 'sraw'
  | 'mul' | 'mulh' | 'mulhsu' | 'mulhu' | 'div' | 'divu' | 'rem' | 'remu'
  | 'mulw' | 'divw' | 'divuw' | 'remw' | 'remuw'
  | BitOperation;
/** Those of the B extension; some take one value. */
// prettier-ignore
export type BitOperation =
  | 'add.uw' | 'sh1add' | 'sh2add' | 'sh3add' | 'sh1add.uw' | 'sh2add.uw' | 'sh3add.uw' | 'slli.uw'
  | 'andn' | 'orn' | 'xnor' | 'min' | 'minu' | 'max' | 'maxu' | 'rol' | 'ror' | 'rolw' | 'rorw'
  | 'bset' | 'bclr' | 'binv' | 'bext'
  | 'clz' | 'ctz' | 'cpop' | 'clzw' | 'ctzw' | 'cpopw' | 'sext.b' | 'sext.h' | 'zext.h' | 'orc.b' | 'rev8';
export type Condition = 'beq' | 'bne' | 'blt' | 'bge' | 'bltu' | 'bgeu';
export type AtomicOperation = 'lr' | 'sc' | 'amoswap' | 'amoadd' | 'amoxor' | 'amoand' | 'amoor';
/** Bytes of an access to memory. */
export type Width = 1 | 2 | 4 | 8;

/** Immediates are sign-extended to 32 bits, registers are 0 to 31. */
export type Action =
  | Readonly<{ kind: 'compute'; operation: Operation; rd: number; rs1: number; rs2: number }>
  | Readonly<{ kind: 'computeImmediate'; operation: Operation; rd: number; rs1: number; immediate: number }>
  | Readonly<{ kind: 'constant'; rd: number; immediate: number }>
  /** AUIPC: adds to the address of the instruction. */
  | Readonly<{ kind: 'address'; rd: number; immediate: number }>
  | Readonly<{ kind: 'load'; width: Width; signed: boolean; rd: number; rs1: number; immediate: number }>
  | Readonly<{ kind: 'store'; width: Width; rs1: number; rs2: number; immediate: number }>
  | Readonly<{ kind: 'atomic'; operation: AtomicOperation; width: 4 | 8; rd: number; rs1: number; rs2: number }>
  | Readonly<{ kind: 'fence' }>
  /** CBO.ZERO: clears the block of 64 bytes around an address. */
  | Readonly<{ kind: 'zeroBlock'; rs1: number }>
  | Readonly<{ kind: 'branch'; condition: Condition; rs1: number; rs2: number; immediate: number }>
  /** JAL. */
  | Readonly<{ kind: 'jump'; rd: number; immediate: number }>
  /** JALR. */
  | Readonly<{ kind: 'jumpRegister'; rd: number; rs1: number; immediate: number }>
  | FloatAction
  /** Whatever is left to the interpreter: SYSTEM, FENCE.I, rare and illegal instructions. */
  | Readonly<{ kind: 'interpret' }>;

export type Instruction = Action & {
  /** Of its first byte in its page. */
  readonly offset: number;
  readonly length: 2 | 4;
};

/** The x registers that it reads, as a bit mask; x0 is never one. */
export function registersRead(action: Action): number {
  switch (action.kind) {
    case 'compute':
    case 'store':
    case 'branch':
    case 'atomic':
      return (bit(action.rs1) | bit(action.rs2)) & ~1;
    case 'computeImmediate':
    case 'load':
    case 'jumpRegister':
    case 'zeroBlock':
    case 'floatLoad':
    case 'floatStore':
    case 'floatFromInteger':
    case 'floatFromX':
    case 'floatCsr':
      return bit(action.rs1) & ~1;
    default:
      return 0;
  }
}

/** The x registers that it writes, as a bit mask; x0 is never one. */
export function registersWritten(action: Action): number {
  return 'rd' in action ? bit(action.rd) & ~1 : 0;
}

const bit = (register: number) => 1 << register;
