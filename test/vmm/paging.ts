/** Page tables for tests: M-mode code whose loads and stores go through them, since MPRV is set. */
import { RAM_BASE } from '../../libs/vmm/layout.js';
import { CSRS, i, s } from './assembler.js';
import { TestMachine } from './machine.js';

export const START = BigInt(RAM_BASE);
export const HANDLER = START + 0x1000n;
export const DATA = RAM_BASE + 0x10_0000;
export const ROOT = RAM_BASE + 0x2_0000;
export const MIDDLE = ROOT + 0x1000;
export const LEAVES = ROOT + 0x2000;
/** Flags of a page table entry. */
export const [V, R, W, X, U, A, D] = [1n, 2n, 4n, 8n, 16n, 64n, 128n] as const;
export const MPRV = 1n << 17n;
export const SUM = 1n << 18n;
export const MXR = 1n << 19n;
export const S_MODE = 1n << 11n;
/** Of x6 and x7, at the address in x5. */
export const LOAD = i('ld', 6, 5, 0);
export const STORE = s('sd', 7, 5, 0);

export const pte = (address: number, flags: bigint) => (BigInt(address) >> 2n) | flags;

/** M-mode code whose loads and stores run under `status` through Sv39 page tables. Leaf 0 maps DATA with `flags`. */
export function translating(flags: bigint, status = MPRV | S_MODE): TestMachine {
  const machine = new TestMachine();
  machine.write64(ROOT, pte(MIDDLE, V));
  machine.write64(MIDDLE, pte(LEAVES, V));
  machine.write64(LEAVES, pte(DATA, flags));
  machine.hart.setCsr(CSRS.mtvec, HANDLER);
  machine.hart.setCsr(CSRS.satp, (8n << 60n) | BigInt(ROOT >>> 12));
  machine.hart.setCsr(CSRS.mstatus, status);
  return machine;
}

/** The exception that the instruction causes at a virtual address in x5: cause and mtval; undefined if none. */
export function faultOf(
  machine: TestMachine,
  instruction: number,
  va: bigint,
): { cause: bigint; tval: bigint } | undefined {
  const status = machine.hart.csr(CSRS.mstatus);
  machine.hart.setX(5, va);
  machine.execute([instruction]);
  if (machine.hart.pc !== HANDLER) return undefined;
  machine.hart.setCsr(CSRS.mstatus, status);
  return { cause: machine.hart.csr(CSRS.mcause), tval: machine.hart.csr(CSRS.mtval) };
}
