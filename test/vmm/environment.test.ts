/** What menvcfg and senvcfg switch: cache-block operations, the timer of S-mode, A and D bits, memory types; Sv48. */
import { describe, expect, it } from 'vitest';
import { HARTS, H_STIMECMP, RAM_BASE } from '../../libs/vmm/layout.js';
import { CACHE_BLOCKS, CSRS, MRET, cbo, csrr, csrw, i } from './assembler.js';
import { TestMachine } from './machine.js';
import {
  A,
  D,
  DATA,
  HANDLER,
  LEAVES,
  LOAD,
  R,
  ROOT,
  S_MODE,
  START,
  STORE,
  V,
  W,
  X,
  faultOf,
  pte,
  translating,
} from './paging.js';

const CBIE = 3n << 4n;
const CBCFE = 1n << 6n;
const CBZE = 1n << 7n;
const ADUE = 1n << 61n;
const PBMTE = 1n << 62n;
const STCE = 1n << 63n;
const STIP = 1n << 5n;
const TM = 2n;
const OPERATIONS = Object.keys(CACHE_BLOCKS) as (keyof typeof CACHE_BLOCKS)[];

/** Executes one instruction in U- or S-mode without translation; the cause of its trap, or undefined. */
function trapIn(mode: 'U' | 'S', machine: TestMachine, instruction: number): bigint | undefined {
  machine.hart.setCsr(CSRS.mtvec, HANDLER);
  machine.hart.setCsr(CSRS.mstatus, mode === 'S' ? S_MODE : 0n);
  machine.hart.setCsr(CSRS.mepc, START + 4n);
  machine.load([MRET, instruction]);
  machine.hart.pc = START;
  machine.hart.run(2);
  return machine.hart.pc === HANDLER ? machine.hart.csr(CSRS.mcause) : undefined;
}

describe('cache-block operations', () => {
  it('cbo.zero clears the 64 bytes around the address, and no more', () => {
    const machine = new TestMachine();
    for (let at = DATA; at < DATA + 0xc0; at += 8) machine.write64(at, ~0n);
    machine.syncDirty();
    machine.hart.setX(5, BigInt(DATA) + 0x7fn);
    machine.execute([cbo('cbo.zero', 5)]);
    const words = Array.from({ length: 24 }, (_, n) => machine.read64(DATA + 8 * n));
    expect(words).toEqual(words.map((_, n) => (n >= 8 && n < 16 ? 0n : 2n ** 64n - 1n)));
    expect(machine.isDirty(DATA)).toBe(true);
  });

  it('the others leave memory as it is, in all their forms', () => {
    const machine = new TestMachine();
    machine.write64(DATA, 7n);
    machine.hart.setX(5, BigInt(DATA));
    machine.execute([cbo('cbo.inval', 5), cbo('cbo.clean', 5), cbo('cbo.flush', 5)]);
    expect(machine.hart.pc).toBe(START + 12n);
    expect(machine.read64(DATA)).toBe(7n);
  });

  it.each(OPERATIONS)('%s is illegal below M until menvcfg, and for U senvcfg, allow it', (operation) => {
    const field = { 'cbo.inval': CBIE, 'cbo.clean': CBCFE, 'cbo.flush': CBCFE, 'cbo.zero': CBZE }[operation];
    const machine = new TestMachine();
    machine.hart.setX(5, BigInt(DATA));
    const instruction = cbo(operation, 5);
    expect(trapIn('S', machine, instruction)).toBe(2n);
    machine.hart.setCsr(CSRS.menvcfg, field);
    expect(trapIn('S', machine, instruction)).toBeUndefined();
    expect(trapIn('U', machine, instruction)).toBe(2n);
    machine.hart.setCsr(CSRS.senvcfg, field);
    expect(trapIn('U', machine, instruction)).toBeUndefined();
  });

  it('reserved forms are illegal', () => {
    const machine = new TestMachine();
    machine.hart.setCsr(CSRS.mtvec, HANDLER);
    for (const bits of [0x0032_a00f, 0x0052_a00f, 0x0002_a08f]) {
      machine.execute([bits]);
      expect(machine.hart.pc).toBe(HANDLER);
      expect(machine.hart.csr(CSRS.mcause)).toBe(2n);
    }
  });

  it('fault as stores do, at the address that was given', () => {
    const store = { cause: 15n, tval: 0x13n };
    expect(faultOf(translating(V | R), cbo('cbo.zero', 5), 0x13n)).toEqual(store);
    expect(faultOf(translating(V | X), cbo('cbo.clean', 5), 0x13n)).toEqual(store);
    expect(faultOf(translating(0n), cbo('cbo.flush', 5), 0x13n)).toEqual(store);
    const readable = translating(V | R);
    expect(faultOf(readable, cbo('cbo.clean', 5), 0x13n)).toBeUndefined(); // a load would be allowed
    expect(readable.read64(LEAVES)).toBe(pte(DATA, V | R | A));
    const absent = new TestMachine();
    absent.hart.setCsr(CSRS.mtvec, HANDLER);
    expect(faultOf(absent, cbo('cbo.zero', 5), 0x7000_0001n)).toEqual({ cause: 7n, tval: 0x7000_0001n });
  });
});

describe('Sstc', () => {
  const pending = ({ hart }: TestMachine) => (hart.csr(CSRS.mip) & STIP) !== 0n;

  it('STIP follows stimecmp at once, in both directions', () => {
    const machine = new TestMachine();
    machine.timeTicks = 1000n;
    machine.hart.setCsr(CSRS.menvcfg, STCE);
    machine.hart.setX(5, 1000n);
    machine.hart.setX(6, 1001n);
    machine.execute([csrw('stimecmp', 5)]);
    expect(pending(machine)).toBe(true);
    machine.execute([csrw('stimecmp', 6), csrr(7, 'stimecmp')]);
    expect(pending(machine)).toBe(false);
    expect(machine.hart.x(7)).toBe(1001n);
  });

  it('is the comparator that the SBI sets, and travels with the hart', () => {
    const machine = new TestMachine();
    machine.hart.setCsr(CSRS.stimecmp, 77n);
    expect(new DataView(machine.memory.buffer).getBigUint64(HARTS + H_STIMECMP, true)).toBe(77n);
    const other = new TestMachine();
    other.hart.restore(machine.hart.save());
    expect(other.hart.csr(CSRS.stimecmp)).toBe(77n);
  });

  it("needs menvcfg.STCE and mcounteren.TM below M; without STCE, STIP is the firmware's to write", () => {
    const machine = new TestMachine();
    expect(trapIn('S', machine, csrr(1, 'stimecmp'))).toBe(2n);
    machine.hart.setCsr(CSRS.menvcfg, STCE);
    expect(trapIn('S', machine, csrr(1, 'stimecmp'))).toBe(2n);
    machine.hart.setCsr(CSRS.mcounteren, TM);
    expect(trapIn('S', machine, csrr(1, 'stimecmp'))).toBeUndefined();
    expect(trapIn('U', machine, csrr(1, 'stimecmp'))).toBe(2n);

    machine.hart.setCsr(CSRS.stimecmp, -1n);
    machine.hart.setCsr(CSRS.mip, STIP);
    expect(pending(machine)).toBe(false);
    machine.hart.setCsr(CSRS.menvcfg, 0n);
    machine.hart.setCsr(CSRS.mip, STIP);
    expect(pending(machine)).toBe(true);
    machine.hart.setCsr(CSRS.menvcfg, STCE);
    expect(pending(machine)).toBe(false);
  });
});

describe('Svadu', () => {
  it('without it, a page fault asks for the accessed or dirty bit, and nothing is written', () => {
    const machine = translating(V | R | W);
    machine.hart.setCsr(CSRS.menvcfg, 0n);
    expect(faultOf(machine, LOAD, 0n)).toEqual({ cause: 13n, tval: 0n });
    machine.write64(LEAVES, pte(DATA, V | R | W | A));
    expect(faultOf(machine, LOAD, 0n)).toBeUndefined();
    expect(faultOf(machine, STORE, 0n)).toEqual({ cause: 15n, tval: 0n });
    expect(machine.read64(LEAVES)).toBe(pte(DATA, V | R | W | A));
    machine.write64(LEAVES, pte(DATA, V | R | W | A | D));
    expect(faultOf(machine, STORE, 0n)).toBeUndefined();
  });

  it('is on at reset, and for S-mode that finds the SBI', () => {
    const machine = new TestMachine();
    expect(machine.hart.csr(CSRS.menvcfg) & ADUE).toBe(ADUE);
    machine.hart.reset({ mode: 'S', pc: START, a0: 0n, a1: 0n });
    expect(machine.hart.csr(CSRS.menvcfg)).toBe(ADUE | PBMTE | STCE | CBIE | CBCFE | CBZE);
  });
});

it('Svpbmt: memory types are reserved until menvcfg.PBMTE, the last of them always, and in pointers too', () => {
  const [NC, IO, RESERVED] = [1n << 61n, 2n << 61n, 3n << 61n];
  const page = { cause: 13n, tval: 0n };
  const machine = translating(V | R | NC);
  expect(faultOf(machine, LOAD, 0n)).toEqual(page);
  machine.hart.setCsr(CSRS.menvcfg, PBMTE | ADUE);
  expect(faultOf(machine, LOAD, 0n)).toBeUndefined();
  for (const [type, fault] of [
    [IO, undefined],
    [RESERVED, page],
  ] as const) {
    machine.write64(LEAVES, pte(DATA, V | R | type));
    expect(faultOf(machine, LOAD, 0n)).toEqual(fault);
  }
  machine.write64(LEAVES, pte(DATA, V | R));
  machine.write64(ROOT, machine.read64(ROOT) | NC);
  expect(faultOf(machine, LOAD, 0n)).toEqual(page);
});

it('Sv48 walks four levels and has superpages of 512 GiB', () => {
  const top = RAM_BASE + 0x3_0000;
  const machine = translating(V | R | W);
  machine.write64(top, pte(ROOT, V));
  machine.write64(top + 8 * 511, pte(ROOT, V));
  machine.write64(top + 8, pte(0, V | R | W)); // 512 GiB from 0
  machine.write64(top + 16, pte(RAM_BASE, V | R | W)); // misaligned
  machine.write64(DATA + 8, 42n);
  machine.hart.setCsr(CSRS.satp, (9n << 60n) | BigInt(top >>> 12));
  for (const va of [8n, 0xffff_ff80_0000_0008n, (1n << 39n) + BigInt(DATA) + 8n]) {
    machine.hart.setX(6, 0n);
    expect(faultOf(machine, LOAD, va)).toBeUndefined();
    expect(machine.hart.x(6)).toBe(42n);
  }
  for (const va of [2n << 39n, 1n << 47n, 1n << 63n])
    expect(faultOf(machine, LOAD, va)).toEqual({ cause: 13n, tval: va });
});

it('mcountinhibit stops mcycle and minstret, each for itself', () => {
  const machine = new TestMachine();
  machine.hart.setX(5, 4n);
  machine.execute([
    csrw('mcountinhibit', 5),
    csrr(1, 'minstret'),
    csrr(2, 'minstret'),
    csrr(3, 'mcycle'),
    csrr(4, 'mcycle'),
  ]);
  expect(machine.hart.x(2)).toBe(machine.hart.x(1));
  expect(machine.hart.x(4)).toBe(machine.hart.x(3) + 1n);
  machine.execute([
    csrw('minstret', 0),
    csrw('mcountinhibit', 0),
    csrr(1, 'minstret'),
    i('addi', 0, 0, 0),
    csrr(2, 'minstret'),
  ]);
  expect(machine.hart.x(2) - machine.hart.x(1)).toBe(2n);
  expect(machine.hart.x(1)).toBeLessThan(3n);
});
