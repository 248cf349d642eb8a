/** Traps, delegation, interrupts, CSRs and the reasons for which `run` returns. */
import { describe, expect, it } from 'vitest';
import { HARTS, H_ATTENTION, H_MIP, MACHINE, M_RAM_SIZE, RAM_BASE } from '../../libs/vmm/layout.js';
import {
  CSRS,
  type Csr,
  EBREAK,
  ECALL,
  MRET,
  SRET,
  WFI,
  csr,
  csri,
  csrr,
  csrw,
  i,
  jal,
  lui,
  sfence,
} from './assembler.js';
import { TestMachine, newMemory } from './machine.js';

const START = BigInt(RAM_BASE);
const M_HANDLER = START + 0x1000n;
const S_HANDLER = START + 0x2000n;
const [SSIP, MSIP, STIP, MTIP, SEIP, MEIP] = [1n << 1n, 1n << 3n, 1n << 5n, 1n << 7n, 1n << 9n, 1n << 11n] as const;
const INTERRUPT = 1n << 63n;
const [SIE, MIE, MPIE, SPP, MPP, TVM, TW, TSR] = [1n << 1n, 8n, 128n, 256n, 3n << 11n, 1n << 20n, 1n << 21n, 1n << 22n];
const MODES = { U: 0n, S: 1n, M: 3n } as const;

/** A machine with handlers set (they spin), in a mode, at START. */
function machineIn(mode: keyof typeof MODES, status = 0n, csrs: Partial<Record<Csr, bigint>> = {}): TestMachine {
  const machine = new TestMachine();
  const { hart } = machine;
  for (const [name, value] of Object.entries({ mtvec: M_HANDLER, stvec: S_HANDLER, ...csrs })) {
    hart.setCsr(CSRS[name as Csr], value);
  }
  hart.setCsr(CSRS.mstatus, status | (MODES[mode] << 11n) | (status & MIE ? MPIE : 0n));
  hart.setCsr(CSRS.mepc, START);
  for (const handler of [M_HANDLER, S_HANDLER]) machine.load([jal(0, 0)], Number(handler));
  machine.load([MRET], RAM_BASE + 0x8000);
  hart.pc = START + 0x8000n;
  hart.run(1);
  return machine;
}

const read = ({ hart }: TestMachine, name: Csr) => hart.csr(CSRS[name]);
const mode = ({ hart }: TestMachine) => hart.save().privilege;
const setPending = ({ memory }: TestMachine, bits: bigint) =>
  Atomics.store(new Int32Array(memory.buffer), (HARTS + H_MIP) / 4, Number(bits));

describe('exceptions', () => {
  it('go to M unless delegated, with cause, pc and the mode before', () => {
    const machine = machineIn('U');
    machine.execute([ECALL]);
    expect(machine.hart.pc).toBe(M_HANDLER);
    expect(read(machine, 'mcause')).toBe(8n);
    expect(read(machine, 'mepc')).toBe(START);
    expect(read(machine, 'mtval')).toBe(0n);
    expect(read(machine, 'mstatus') & MPP).toBe(0n);
    expect(mode(machine)).toBe('M');
  });

  it('go to S when delegated, and SRET returns', () => {
    const machine = machineIn('U', SIE, { medeleg: 1n << 8n });
    machine.execute([ECALL]);
    expect(machine.hart.pc).toBe(S_HANDLER);
    expect(read(machine, 'scause')).toBe(8n);
    expect(read(machine, 'sepc')).toBe(START);
    expect(read(machine, 'sstatus') & (SIE | SPP)).toBe(0n); // disabled, came from U
    expect(mode(machine)).toBe('S');
    machine.execute([SRET], Number(S_HANDLER));
    expect(machine.hart.pc).toBe(START);
    expect(mode(machine)).toBe('U');
    expect(read(machine, 'sstatus') & SIE).toBe(SIE);
  });

  it('in M are never delegated', () => {
    const machine = machineIn('M', 0n, { medeleg: 0xffffn });
    machine.execute([EBREAK]);
    expect(machine.hart.pc).toBe(M_HANDLER);
    expect(read(machine, 'mcause')).toBe(3n);
  });

  it('put an illegal instruction into mtval, 16 or 32 bits of it', () => {
    for (const bits of [0xffff_ffff, 0x0000, 0x8000, 0x0000_0053, csrw('mhartid', 1), 0xe422_8000]) {
      const machine = machineIn('M');
      machine.execute([bits]);
      expect(read(machine, 'mcause')).toBe(2n);
      expect(read(machine, 'mtval')).toBe((bits & 3) === 3 ? BigInt(bits) : BigInt(bits & 0xffff));
    }
  });

  it('do not retire the instruction', () => {
    const machine = machineIn('M');
    const before = machine.hart.instret;
    machine.load([i('addi', 1, 0, 1)], Number(M_HANDLER));
    machine.execute([i('addi', 1, 0, 1), EBREAK, i('addi', 1, 0, 1)]);
    expect(machine.hart.pc).toBe(M_HANDLER + 4n);
    expect(machine.hart.instret - before).toBe(2n);
  });

  it('are raised by absent devices, with the kind of the access', () => {
    for (const [instruction, cause] of [
      [i('lw', 1, 5, 0), 5n],
      [0x0012_a023, 7n], // sw x1, 0(x5)
      [0x0012_a0af, 7n], // amoadd.w x1, x1, (x5)
      [i('jalr', 0, 5, 0), 1n],
    ] as const) {
      const machine = machineIn('M');
      machine.hart.setX(5, 0x7000_0000n);
      machine.load([instruction]);
      machine.hart.run(2);
      expect(read(machine, 'mcause')).toBe(cause);
      expect(read(machine, 'mtval')).toBe(0x7000_0000n);
    }
  });
});

describe('interrupts', () => {
  it('wait until mie and the mode let them through', () => {
    const machine = machineIn('M', 0n, { mie: MTIP });
    machine.load([csri('s', 0, 'mstatus', 8), i('addi', 1, 0, 1)]);
    setPending(machine, MTIP);
    machine.hart.run(1);
    // Taken right behind the CSR write that uncovers it.
    expect(machine.hart.pc).toBe(M_HANDLER);
    expect(read(machine, 'mcause')).toBe(INTERRUPT | 7n);
    expect(read(machine, 'mepc')).toBe(START + 4n);
    expect(machine.hart.x(1)).toBe(0n);
  });

  it('are taken in order of urgency, M before S', () => {
    const all = SSIP | MSIP | STIP | MTIP | SEIP | MEIP;
    const order: bigint[] = [];
    for (let pending = all; pending;) {
      const next = machineIn('U', 0n, { mie: all, mideleg: SSIP | STIP | SEIP });
      setPending(next, pending);
      next.hart.run(1);
      const code = (mode(next) === 'M' ? read(next, 'mcause') : read(next, 'scause')) & ~INTERRUPT;
      order.push(code);
      pending &= ~(1n << code);
    }
    expect(order).toEqual([11n, 3n, 7n, 9n, 1n, 5n]);
  });

  it('jump into the vector table in vectored mode', () => {
    const machine = machineIn('S', SIE, { mie: STIP, mideleg: STIP, stvec: S_HANDLER | 1n });
    machine.load([i('addi', 1, 0, 1)], Number(S_HANDLER + 20n));
    setPending(machine, STIP);
    machine.hart.run(1);
    expect(machine.hart.pc).toBe(S_HANDLER + 20n + 4n);
    machine.load([EBREAK], Number(S_HANDLER));
    machine.hart.setCsr(CSRS.medeleg, 8n);
    machine.hart.pc = S_HANDLER;
    machine.hart.run(1);
    expect(machine.hart.pc).toBe(S_HANDLER); // exceptions go to the base
  });

  it('a delegated one does not reach M-mode code', () => {
    const machine = machineIn('M', MIE, { mie: SSIP, mideleg: SSIP });
    setPending(machine, SSIP);
    machine.execute([i('addi', 1, 0, 1)]);
    expect(machine.hart.x(1)).toBe(1n);
  });

  it('the software interrupt from another hart is cleared through sip', () => {
    const machine = machineIn('S', 0n, { mideleg: SSIP | STIP, mie: SSIP });
    setPending(machine, SSIP | STIP);
    machine.execute([csrr(1, 'sip'), csri('c', 0, 'sip', 2), csrr(2, 'sip')]);
    expect(machine.hart.x(1)).toBe(SSIP | STIP);
    expect(machine.hart.x(2)).toBe(STIP);
  });

  it('setting bits of mip does not make an outside interrupt stick', () => {
    const machine = machineIn('M');
    setPending(machine, SEIP);
    machine.execute([csri('s', 1, 'mip', 2)]);
    expect(machine.hart.x(1)).toBe(SEIP);
    setPending(machine, 0n);
    expect(read(machine, 'mip')).toBe(0n);
  });
});

describe('run returns', () => {
  it('wfi, behind the instruction, when nothing enabled is pending', () => {
    const machine = machineIn('M', 0n, { mie: MTIP });
    machine.load([WFI, i('addi', 1, 0, 1)]);
    expect(machine.hart.run(10)).toBe('wfi');
    expect(machine.hart.pc).toBe(START + 4n);
    setPending(machine, MTIP);
    machine.hart.pc = START;
    expect(machine.hart.run(2)).toBe('budget'); // pending and enabled in mie: WFI does nothing
    expect(machine.hart.x(1)).toBe(1n);
  });

  it('sbi for ECALL from S of a hart that was started with it', () => {
    const machine = new TestMachine();
    machine.hart.reset({ mode: 'S', pc: START, a0: 0n, a1: 0x8700_0000n });
    machine.load([ECALL, ECALL]);
    expect(machine.hart.run(10)).toBe('sbi');
    expect(machine.hart.pc).toBe(START + 4n);
    expect(machine.hart.x(11)).toBe(0x8700_0000n);
    expect(machine.hart.instret).toBe(1n);
    expect(mode(machine)).toBe('S');
  });

  it('attention before it executes anything', () => {
    const machine = machineIn('M');
    machine.load([i('addi', 1, 0, 1)]);
    const words = new Int32Array(machine.memory.buffer);
    Atomics.store(words, (HARTS + H_ATTENTION) / 4, 1);
    expect(machine.hart.run(1)).toBe('attention');
    expect(machine.hart.pc).toBe(START);
    Atomics.store(words, (HARTS + H_ATTENTION) / 4, 0);
    expect(machine.hart.run(1)).toBe('budget');
    expect(machine.hart.x(1)).toBe(1n);
  });
});

/** True if the instruction is illegal in that mode. */
function trapsIn(from: keyof typeof MODES, status: bigint, instruction: number, csrs = {}): boolean {
  const machine = machineIn(from, status, csrs);
  machine.execute([instruction]);
  return machine.hart.pc === M_HANDLER && read(machine, 'mcause') === 2n;
}

describe('CSRs', () => {
  it('are guarded by mode, read-only numbers and existence', () => {
    expect(trapsIn('U', 0n, csrr(1, 'sstatus'))).toBe(true);
    expect(trapsIn('S', 0n, csrr(1, 'mstatus'))).toBe(true);
    expect(trapsIn('S', 0n, csrr(1, 'sstatus'))).toBe(false);
    expect(trapsIn('M', 0n, csrw('mhartid', 1))).toBe(true);
    expect(trapsIn('M', 0n, csr('s', 1, 'mhartid', 0))).toBe(false);
    expect(trapsIn('M', 0n, 0x5c00_2073)).toBe(true);
  });

  it('TVM, TW and TSR take satp, SFENCE.VMA, WFI and SRET from S-mode', () => {
    for (const [bit, instruction] of [
      [TVM, csrr(1, 'satp')],
      [TVM, sfence()],
      [TW, WFI],
      [TSR, SRET],
    ] as const) {
      expect(trapsIn('S', bit, instruction)).toBe(true);
      expect(trapsIn('S', 0n, instruction)).toBe(false);
      expect(trapsIn('M', bit, instruction)).toBe(false);
      expect(trapsIn('U', 0n, instruction)).toBe(true);
    }
    expect(trapsIn('S', 0n, MRET)).toBe(true);
  });

  it('counters need mcounteren, and scounteren in U-mode', () => {
    for (const name of ['cycle', 'time', 'instret'] as const) {
      expect(trapsIn('S', 0n, csrr(1, name))).toBe(true);
      expect(trapsIn('S', 0n, csrr(1, name), { mcounteren: 7n })).toBe(false);
      expect(trapsIn('U', 0n, csrr(1, name), { mcounteren: 7n })).toBe(true);
      expect(trapsIn('U', 0n, csrr(1, name), { mcounteren: 7n, scounteren: 7n })).toBe(false);
    }
  });

  it('time comes from outside; minstret and mcycle count and can be set apart', () => {
    const machine = machineIn('M');
    machine.timeTicks = 123_456_789_012n;
    machine.hart.setX(5, 1000n);
    machine.execute([csrr(1, 'time'), csrw('minstret', 5), csrr(2, 'minstret'), csrr(3, 'minstret')]);
    expect([1, 2, 3].map((n) => machine.hart.x(n))).toEqual([123_456_789_012n, 1000n, 1001n]);
    machine.hart.setX(5, 0n);
    machine.execute([csrr(1, 'mcycle'), csrw('minstret', 5), csrr(2, 'mcycle')]);
    expect(machine.hart.x(2) - machine.hart.x(1)).toBeLessThan(4n);
  });

  it('fields that take no such value keep theirs', () => {
    const machine = machineIn('M');
    const { hart } = machine;
    const writing = (name: Csr, value: bigint) => {
      hart.setCsr(CSRS[name], value);
      return hart.csr(CSRS[name]);
    };
    expect(hart.csr(CSRS.misa)).toBe(0x8000_0000_0014_112fn);
    expect(writing('mstatus', 2n << 11n) & MPP).toBe(0n); // mode 2 does not exist
    expect(writing('mstatus', (1n << 64n) - 1n)).toBe(0x8000_000a_007e_79aan);
    expect(writing('sstatus', 0n)).toBe(0x2_0000_0000n);
    expect(writing('mepc', START + 3n)).toBe(START + 2n);
    expect(writing('satp', 9n << 60n)).toBe(9n << 60n);
    expect(writing('satp', 10n << 60n)).toBe(9n << 60n); // no Sv57
    expect(writing('medeleg', (1n << 64n) - 1n)).toBe(0xb3ffn);
    expect(writing('mideleg', (1n << 64n) - 1n)).toBe(0x222n);
    expect(writing('pmpaddr0', (1n << 64n) - 1n)).toBe((1n << 54n) - 1n);
    expect(() => hart.csr(0x5c0)).toThrow('hart 0 has no CSR 0x5c0');
  });

  it('sie and sip show what is delegated', () => {
    const machine = machineIn('M', 0n, { mie: SSIP | MTIP | STIP, mideleg: SSIP });
    machine.execute([csrr(1, 'sie'), lui(2, 0), i('addi', 2, 0, 0x22), csrw('sie', 2), csrr(3, 'mie')]);
    expect(machine.hart.x(1)).toBe(SSIP);
    expect(machine.hart.x(3)).toBe(SSIP | MTIP | STIP);
  });
});

it('a hart saved in the middle of a program goes on elsewhere as if nothing had happened', () => {
  const program = [i('addi', 5, 5, 3), csrw('mscratch', 5), csri('s', 6, 'mie', 8), i('addi', 7, 7, -1), jal(0, -16)];
  const through = new TestMachine();
  through.execute(program);
  through.hart.run(95);

  const source = new TestMachine();
  source.execute(program);
  setPending(source, SSIP);
  source.hart.run(40);
  const state = JSON.parse(JSON.stringify(source.hart.save()));
  const destination = new TestMachine({ hartId: 3 });
  destination.load(program);
  destination.hart.restore(state);
  expect(destination.hart.save()).toEqual(source.hart.save());
  destination.hart.run(55);
  expect({ ...destination.hart.save(), pending: 0 }).toEqual(through.hart.save());
  expect(() => destination.hart.restore({ ...state, version: 1 })).toThrow('version 1, this build reads 2');
  expect(() => destination.hart.restore({ ...state, f: [] })).toThrow(/f has 0 registers/);
  expect(() => destination.hart.restore({ ...state, f: state.x.with(7, 'NaN') })).toThrow('f7 is NaN');
  expect(() => destination.hart.restore({ ...state, csrs: {} })).toThrow('csr mstatus is missing');
});

it('a hart needs a number below 16 and a memory that holds its RAM', () => {
  expect(() => new TestMachine({ hartId: 16 })).toThrow('hartId 16: a VM has harts 0 to 15');
  const memory = newMemory(2);
  new DataView(memory.buffer).setBigUint64(MACHINE + M_RAM_SIZE, 4n << 20n, true);
  expect(() => new TestMachine({ memory })).toThrow('M_RAM_SIZE is 4194304 bytes');
});
