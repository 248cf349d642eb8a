/** Physical memory protection: which accesses the entries let through, and what may be written into them. */
import { describe, expect, it } from 'vitest';
import { CSRS, MRET, i, jal, s } from './assembler.js';
import { TestMachine } from './machine.js';
import {
  A,
  D,
  DATA,
  HANDLER,
  LEAVES,
  LOAD,
  MPRV,
  R,
  S_MODE,
  START,
  STORE,
  V,
  W,
  faultOf,
  translating,
} from './paging.js';

const OFF = 0;
const TOR = 1 << 3;
const NA4 = 2 << 3;
const NAPOT = 3 << 3;
const LOCKED = 0x80;
const [READ, WRITE, EXECUTE] = [1, 2, 4] as const;
const ALL = READ | WRITE | EXECUTE;
const LOAD_FAULT = 5n;
const STORE_FAULT = 7n;
const PMPADDR0 = 0x3b0;

const napot = (base: number, size: number) => (BigInt(base) >> 2n) | ((BigInt(size) >> 3n) - 1n);
const EVERYTHING = { address: (1n << 54n) - 1n, config: NAPOT | ALL };

interface Entry {
  readonly address: bigint;
  readonly config: number;
}

function protect({ hart }: TestMachine, entries: readonly Entry[]): void {
  hart.setCsr(CSRS.pmpcfg0, 0n);
  entries.forEach(({ address }, n) => hart.setCsr(PMPADDR0 + n, address));
  hart.setCsr(
    CSRS.pmpcfg0,
    entries.reduce((sum, { config }, n) => sum | (BigInt(config) << BigInt(8 * n)), 0n),
  );
}

/** A machine whose loads and stores are S-mode's, without translation. */
function supervisor(...entries: readonly Entry[]): TestMachine {
  const machine = new TestMachine();
  machine.hart.setCsr(CSRS.mtvec, HANDLER);
  machine.hart.setCsr(CSRS.mstatus, MPRV | S_MODE);
  protect(machine, entries);
  return machine;
}

const cause = (machine: TestMachine, instruction: number, address: number) =>
  faultOf(machine, instruction, BigInt(address))?.cause;

describe('PMP', () => {
  it('denies S and U what no entry allows, and leaves M alone', () => {
    const machine = supervisor();
    expect(faultOf(machine, LOAD, BigInt(DATA))).toEqual({ cause: LOAD_FAULT, tval: BigInt(DATA) });
    machine.hart.setCsr(CSRS.mstatus, 0n);
    expect(cause(machine, LOAD, DATA)).toBeUndefined();
  });

  it('tells reading, writing and executing apart, and faults with the kind of the access', () => {
    const page = { address: napot(DATA, 0x1000), config: NAPOT | READ };
    const machine = supervisor(page, EVERYTHING);
    expect(cause(machine, LOAD, DATA)).toBeUndefined();
    expect(cause(machine, STORE, DATA)).toBe(STORE_FAULT);
    machine.hart.setCsr(CSRS.mepc, BigInt(DATA));
    machine.hart.setCsr(CSRS.mstatus, S_MODE);
    machine.execute([MRET]);
    machine.hart.run(1);
    expect(machine.hart.csr(CSRS.mcause)).toBe(1n);
    expect(machine.hart.csr(CSRS.mtval)).toBe(BigInt(DATA));
  });

  it('the first entry that matches decides, to the byte', () => {
    const four = { address: BigInt(DATA + 0x20) >> 2n, config: NA4 | READ };
    const range = [
      { address: BigInt(DATA + 0x40) >> 2n, config: OFF },
      { address: BigInt(DATA + 0x4c) >> 2n, config: TOR | READ },
    ];
    const machine = supervisor(four, ...range, EVERYTHING);
    const word = s('sw', 7, 5, 0);
    const byte = s('sb', 7, 5, 0);
    for (const [at, fault] of [
      [0x1c, false],
      [0x20, true],
      [0x23, true],
      [0x24, false],
      [0x3f, false],
      [0x40, true],
      [0x4b, true],
      [0x4c, false],
    ] as const) {
      expect(cause(machine, byte, DATA + at)).toBe(fault ? STORE_FAULT : undefined);
      expect(cause(machine, i('lb', 6, 5, 0), DATA + at)).toBeUndefined();
    }
    expect(cause(machine, word, DATA + 0x1c)).toBeUndefined();
    expect(cause(machine, LOAD, DATA + 0x20)).toBe(LOAD_FAULT); // only half of it matches
    expect(cause(machine, LOAD, DATA + 0x1c)).toBe(LOAD_FAULT);
    expect(cause(machine, LOAD, DATA + 0x18)).toBeUndefined();
  });

  it('an empty range matches nothing', () => {
    const down = [
      { address: BigInt(DATA + 0x100) >> 2n, config: OFF },
      { address: BigInt(DATA) >> 2n, config: TOR },
    ];
    const machine = supervisor(...down, EVERYTHING);
    for (const at of [-4, 0, 0x80, 0xfc, 0x100]) expect(cause(machine, LOAD, DATA + at)).toBeUndefined();
  });

  it('a locked entry binds M too, and keeps itself and the range that it ends', () => {
    const machine = new TestMachine();
    machine.hart.setCsr(CSRS.mtvec, HANDLER);
    const [from, to] = [BigInt(DATA) >> 2n, BigInt(DATA + 0x1000) >> 2n];
    protect(machine, [
      { address: from, config: OFF },
      { address: to, config: LOCKED | TOR | READ },
    ]);
    expect(cause(machine, LOAD, DATA)).toBeUndefined();
    expect(cause(machine, STORE, DATA)).toBe(STORE_FAULT);
    protect(machine, [EVERYTHING, EVERYTHING]);
    expect(machine.hart.csr(PMPADDR0)).toBe(from);
    expect(machine.hart.csr(PMPADDR0 + 1)).toBe(to);
    expect(machine.hart.csr(CSRS.pmpcfg0)).toBe(BigInt(((LOCKED | TOR | READ) << 8) | NAPOT | ALL));
  });

  it('registers hold 54 bits of address, and no W without R', () => {
    const { hart } = new TestMachine();
    hart.setCsr(PMPADDR0 + 15, -1n);
    expect(hart.csr(PMPADDR0 + 15)).toBe((1n << 54n) - 1n);
    hart.setCsr(CSRS.pmpcfg0, 0x7e_66_1a_1fn);
    expect(hart.csr(CSRS.pmpcfg0)).toBe(0x1c_04_18_1fn);
    expect(() => hart.csr(CSRS.pmpcfg0 + 1)).toThrow('no CSR 0x3a1');
  });

  it('a change is heeded by accesses that were allowed a moment ago', () => {
    const machine = supervisor(EVERYTHING);
    expect(cause(machine, STORE, DATA)).toBeUndefined();
    protect(machine, [{ address: napot(DATA, 0x1000), config: NAPOT | READ }, EVERYTHING]);
    expect(cause(machine, STORE, DATA)).toBe(STORE_FAULT);
    expect(cause(machine, LOAD, DATA)).toBeUndefined();
  });

  it('guards code to the instruction, and to each half of it', () => {
    const machine = supervisor();
    const { hart } = machine;
    const byTwo = 0x0505; // c.addi a0, 1
    const code = [i('addi', 10, 0, 1), jal(0, 6), byTwo, byTwo, byTwo, i('addi', 10, 10, 64)];
    machine.load(code, DATA);
    // Up to the middle of the last instruction it may be executed.
    protect(machine, [{ address: BigInt(DATA + 16) >> 2n, config: TOR | ALL }]);
    hart.setCsr(CSRS.mstatus, S_MODE);
    hart.setCsr(CSRS.mepc, BigInt(DATA));
    machine.load([MRET]);
    hart.pc = START;
    hart.run(6);
    expect(hart.x(10)).toBe(3n); // one byTwo was jumped over
    expect(hart.csr(CSRS.mcause)).toBe(1n);
    expect(hart.csr(CSRS.mepc)).toBe(BigInt(DATA + 14));
    expect(hart.csr(CSRS.mtval)).toBe(BigInt(DATA + 16));
    expect(hart.pc).toBe(HANDLER);
  });

  it('guards page tables: to be read, and to be written for A and D', () => {
    const machine = translating(V | R | W);
    protect(machine, [{ address: napot(LEAVES, 0x1000), config: NAPOT | READ }, EVERYTHING]);
    expect(faultOf(machine, LOAD, 8n)).toEqual({ cause: LOAD_FAULT, tval: 8n });
    machine.write64(LEAVES, machine.read64(LEAVES) | A | D);
    expect(faultOf(machine, LOAD, 8n)).toBeUndefined();
    protect(machine, [{ address: napot(LEAVES, 0x1000), config: NAPOT }, EVERYTHING]);
    expect(faultOf(machine, STORE, 8n)).toEqual({ cause: STORE_FAULT, tval: 8n });
  });

  it('a saved hart is as protected as it was', () => {
    const machine = supervisor({ address: napot(DATA, 8), config: NAPOT | READ }, EVERYTHING);
    const other = new TestMachine({ memory: machine.memory, hartId: 1 });
    other.hart.restore(machine.hart.save());
    expect(cause(other, STORE, DATA)).toBe(STORE_FAULT);
    expect(cause(other, STORE, DATA + 8)).toBeUndefined();
    expect(other.hart.csr(CSRS.mepc)).toBe(START);
  });
});
