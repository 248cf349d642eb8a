/**
 * The code around a generated program, which runs alike on our hart and on QEMU's virt board: it logs every trap and,
 * after each block, all registers into RAM, and ends through the test finisher. The log is what the two are compared by.
 *
 *     0x8000_0000  code: harts but the first wait; handlers; the program
 *     DATA         where generated loads and stores go
 *     AREA         one for M-mode, one for S-mode: end of the log, registers that a handler saves
 *     LOG          records, one behind the other
 */
import { ECALL, MRET, SRET, WFI, b, csr, csrr, csrw, i, jal, li, lui, r, s, shift, sizeOf } from '../vmm/assembler.js';
import { fstore } from '../vmm/float-assembler.js';
import { FINISHER } from '../vmm/machine.js';

export const START = 0x8000_0000;
export const DATA = 0x8010_0000;
export const DATA_SIZE = 0x2000;
export const LOG_END = 0x801f_0000;
const AREA = LOG_END;
/** A handler of S-mode saves registers this far behind those of M-mode. */
const S_AREA = 64;
export const LOG = 0x8020_0000;
export const PASS = 0x5555;

// Kinds of records: the low byte of their first word.
/** A trap in M- or S-mode: vector it came by (above the kind), then cause, tval, epc, status. */
export const TRAP_M = 1;
export const TRAP_S = 2;
/** x1 to x31. */
export const REGISTERS = 3;
/** f0 to f31, fcsr. */
export const FLOAT_REGISTERS = 4;
export const WORDS = { [TRAP_M]: 5, [TRAP_S]: 5, [REGISTERS]: 32, [FLOAT_REGISTERS]: 34 } as const;

const [ra, t0, t1, t2, t4, t5, t6] = [1, 5, 6, 7, 29, 30, 31] as const;
/** Registers that a program with modes leaves alone: where to go on after a fetch that faults; what `leave` says. */
export const RETURN = 26;
const LEAVING = 27;
/** Virtual addresses for U-mode have this bit set, if there is translation; see `enter`. */
export const U_ALIAS = 0x4000_0000;

const M_CSRS = {
  scratch: 'mscratch',
  cause: 'mcause',
  tval: 'mtval',
  epc: 'mepc',
  status: 'mstatus',
  ie: 'mie',
} as const;
const S_CSRS = {
  scratch: 'sscratch',
  cause: 'scause',
  tval: 'stval',
  epc: 'sepc',
  status: 'sstatus',
  ie: 'sie',
} as const;

/** t5 = t5 & ~U_ALIAS; uses t4. */
const WITHOUT_ALIAS = [lui(t4, U_ALIAS >>> 12), i('xori', t4, t4, -1), r('and', t5, t5, t4)];

const branchOver = (name: 'beq' | 'bne' | 'bge', rs1: number, rs2: number, code: readonly number[]) => [
  b(name, rs1, rs2, 4 + sizeOf(code)),
  ...code,
];

/** Sixteen vectors, each of which notes its number. The first also takes what comes in direct mode. */
function vectors({ scratch }: typeof M_CSRS | typeof S_CSRS): number[] {
  const stub = (n: number) => [csr('w', t6, scratch, t6), s('sd', t5, t6, 8), i('addi', t5, 0, n)];
  const stubSize = sizeOf(stub(0)) + 4;
  const jumps = Array.from({ length: 16 }, (_, n) => jal(0, 4 * (16 - n) + stubSize * n));
  const stubs = Array.from({ length: 16 }, (_, n) => [...stub(n), jal(0, stubSize * (15 - n) + 4)]);
  return [...jumps, ...stubs.flat()];
}

/** Logs the trap, then goes on behind the instruction. Keeps all registers. */
function handler(level: 'M' | 'S', modes: boolean): number[] {
  const csrs = level === 'M' ? M_CSRS : S_CSRS;
  const logEnd = level === 'M' ? 0 : -S_AREA;
  const fields = [csrs.cause, csrs.tval, csrs.epc, csrs.status];
  const restore = [i('ld', t5, t6, 8), i('ld', t4, t6, 16), csr('w', t6, csrs.scratch, t6)];
  const record = [
    s('sd', t4, t6, 16),
    shift('slli', t5, t5, 8),
    i('addi', t5, t5, level === 'M' ? TRAP_M : TRAP_S),
    i('ld', t4, t6, logEnd),
    s('sd', t5, t4, 0),
    ...fields.flatMap((field, n) => [csrr(t5, field), s('sd', t5, t4, 8 * (n + 1))]),
    i('addi', t4, t4, 40),
    s('sd', t4, t6, logEnd),
  ];
  const behindTheInstruction = [
    csrr(t5, csrs.epc),
    ...(modes ? WITHOUT_ALIAS : []),
    i('lhu', t4, t5, 0), // length of the instruction: 4 if its low two bits are 11, else 2
    i('andi', t4, t4, 3),
    i('sltiu', t4, t4, 3),
    shift('slli', t4, t4, 1),
    csrr(t5, csrs.epc),
    r('sub', t5, t5, t4),
    i('addi', t5, t5, 4),
    csrw(csrs.epc, t5),
  ];
  const afterFetch = [csrw(csrs.epc, RETURN), jal(0, 4 + sizeOf(behindTheInstruction))];
  const exception = [
    csrr(t5, csrs.cause),
    ...(modes
      ? [i('addi', t4, t5, -1), b('beq', t4, 0, 12), i('addi', t4, t5, -12), ...branchOver('bne', t4, 0, afterFetch)]
      : []),
    ...behindTheInstruction,
  ];
  const interrupt = [csrw(csrs.ie, 0), jal(0, 4 + sizeOf(exception))];
  const back = [...restore, level === 'M' ? MRET : SRET];
  return [
    ...vectors(csrs),
    ...record,
    csrr(t5, csrs.cause),
    ...branchOver('bge', t5, 0, interrupt),
    ...exception,
    ...(modes ? leaving(level, restore) : []),
    ...back,
  ];
}

/** If the code that trapped wants to leave its mode: MRET goes to M-mode; a trap that is delegated is passed on to M. */
function leaving(level: 'M' | 'S', restore: readonly number[]): number[] {
  if (level === 'S') return branchOver('beq', LEAVING, 0, [...restore, i('addi', LEAVING, 0, 2), ECALL]);
  const passedOn = [csrr(t5, 'sepc'), csrw('mepc', t5)]; // the handler in S-mode has moved it behind the instruction
  const toM = [
    i('addi', t4, LEAVING, -2),
    ...branchOver('bne', t4, 0, passedOn),
    csrr(t5, 'mepc'),
    ...WITHOUT_ALIAS,
    csrw('mepc', t5),
    ...li(t4, 0x1800n),
    csr('s', 0, 'mstatus', t4),
    i('addi', LEAVING, 0, 0),
  ];
  return branchOver('beq', LEAVING, 0, toM);
}

/** Called in M-mode by `jal t5` with t6 = AREA, x30 saved there, x31 in mscratch: logs the registers. */
function dump(float: boolean): number[] {
  const floats = [
    i('addi', ra, 0, FLOAT_REGISTERS),
    s('sd', ra, t4, 0),
    ...Array.from({ length: 32 }, (_, n) => fstore('d', n, t4, 8 * (n + 1))),
    csrr(ra, 'fcsr'),
    s('sd', ra, t4, 8 * 33),
    i('addi', t4, t4, 8 * WORDS[FLOAT_REGISTERS]),
  ];
  return [
    s('sd', t4, t6, 16),
    i('ld', t4, t6, 0),
    ...Array.from({ length: 28 }, (_, n) => s('sd', n + 1, t4, 8 * (n + 1))),
    ...[16, 8].flatMap((saved, n) => [i('ld', ra, t6, saved), s('sd', ra, t4, 8 * (29 + n))]),
    csrr(ra, 'mscratch'),
    s('sd', ra, t4, 8 * 31),
    i('addi', ra, 0, REGISTERS),
    s('sd', ra, t4, 0),
    i('addi', t4, t4, 8 * WORDS[REGISTERS]),
    ...(float ? floats : []),
    s('sd', t4, t6, 0),
    csrw('mscratch', t6),
    i('jalr', 0, t5, 0),
  ];
}

/** Harts but the first stay here: QEMU makes AMOs atomic, and traps in them what they should be, only with two of them. */
const PARK = [csrr(t0, 'mhartid'), b('beq', t0, 0, 12), WFI, jal(0, -4)];

/** From M-mode: goes on in U- or S-mode, at the same place, or at its virtual address for U-mode if there is translation. */
export function enter(mode: 'U' | 'S', translation = false): number[] {
  const alias = mode === 'U' && translation ? [lui(LEAVING, U_ALIAS >>> 12), r('or', RETURN, RETURN, LEAVING)] : [];
  const rest = [
    i('addi', RETURN, RETURN, 0), // its offset is filled in below
    ...alias,
    csrw('mepc', RETURN),
    ...li(LEAVING, 0x1800n),
    csr('c', 0, 'mstatus', LEAVING),
    ...(mode === 'S' ? [...li(LEAVING, 0x800n), csr('s', 0, 'mstatus', LEAVING)] : []),
    i('addi', LEAVING, 0, 0),
    MRET,
  ];
  rest[0] = i('addi', RETURN, RETURN, 4 + sizeOf(rest));
  return [auipcHere(RETURN), ...rest];
}

const auipcHere = (rd: number) => (0x17 | (rd << 7)) >>> 0;

/** Back to M-mode, from wherever. */
export const LEAVE = [i('addi', LEAVING, 0, 1), ECALL];

interface Frame {
  readonly setUp: readonly number[];
  readonly blocks: readonly (readonly number[])[];
  readonly float: boolean;
  /** Blocks run in lower modes too; each ends in M-mode. */
  readonly modes: boolean;
}

/** Machine code for START. Throws a RangeError if it runs into DATA. */
export function link({ setUp, blocks, float, modes }: Frame): number[] {
  const inM = handler('M', modes);
  const inS = modes ? handler('S', modes) : [];
  const dumpRegisters = dump(float);
  const mAt = START + sizeOf(PARK) + 4;
  const sAt = mAt + sizeOf(inM);
  const dumpAt = sAt + sizeOf(inS);
  const mainAt = dumpAt + sizeOf(dumpRegisters);
  const code = [...PARK, jal(0, mainAt - mAt + 4), ...inM, ...inS, ...dumpRegisters];
  let at = mainAt;
  const emit = (...instructions: number[]) => {
    code.push(...instructions);
    at += sizeOf(instructions);
  };

  emit(...li(t0, BigInt(AREA)), csrw('mscratch', t0), ...li(t1, BigInt(LOG)), s('sd', t1, t0, 0));
  emit(...li(t1, BigInt(mAt)), csrw('mtvec', t1));
  if (modes) emit(i('addi', t0, t0, S_AREA), csrw('sscratch', t0), ...li(t1, BigInt(sAt)), csrw('stvec', t1));
  emit(...Array.from({ length: 31 }, (_, n) => i('addi', n + 1, 0, 0)), ...setUp);
  for (const block of blocks) {
    emit(...block, ...(modes ? LEAVE : []), csr('w', t6, 'mscratch', t6), s('sd', t5, t6, 8));
    emit(jal(t5, dumpAt - at));
  }
  emit(...li(t1, BigInt(FINISHER)), ...li(t2, BigInt(PASS)), s('sw', t2, t1, 0), jal(0, 0));
  if (at > DATA) throw new RangeError(`the program takes ${at - START} bytes and runs into its data`);
  return code;
}
