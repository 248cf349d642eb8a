/** The state of F and D: f registers and fcsr, mstatus.FS above them, loads and stores, what is illegal, snapshots. */
import { describe, expect, it } from 'vitest';
import { RAM_BASE } from '../../libs/vmm/layout.js';
import { CSRS, type Csr, csr, csrr, i, jal } from './assembler.js';
import {
  FLAGS,
  ROUNDING,
  arithmetic,
  comparison,
  fclass,
  fcvt,
  fcvtToX,
  fload,
  fmvFromX,
  fmvToX,
  fsqrt,
  fstore,
  fused,
  selection,
} from './float-assembler.js';
import { TestMachine } from './machine.js';

const [OFF, INITIAL, CLEAN, DIRTY] = [0n, 1n, 2n, 3n] as const;
const ILLEGAL = 2n;
const BOX = 0xffff_ffffn << 32n;
const ONE = 0x3ff0_0000_0000_0000n;
const DATA = RAM_BASE + 0x10_0000;
const NOTHING = 0x4000_0000n;
const [A0, A1] = [10, 11] as const;
const { rne, rtz, dyn } = ROUNDING;

/** A machine in M-mode with mstatus.FS as given; its handler is where mtvec is after reset, at 0. */
function machineWith(fs: bigint): TestMachine {
  const machine = new TestMachine();
  machine.hart.setCsr(CSRS.mstatus, fs << 13n);
  return machine;
}

const csrOf = ({ hart }: TestMachine, name: Csr) => hart.csr(CSRS[name]);
const fsOf = ({ hart }: TestMachine) => (hart.csr(CSRS.mstatus) >> 13n) & 3n;
const sdOf = ({ hart }: TestMachine) => hart.csr(CSRS.mstatus) >> 63n;

/** Cause and value of the trap that an instruction takes; undefined if it takes none. */
function trapOf(machine: TestMachine, instruction: number): [bigint, bigint] | undefined {
  machine.hart.setCsr(CSRS.mcause, 0n);
  machine.execute([instruction]);
  if (machine.hart.pc !== 0n) return undefined;
  return [machine.hart.csr(CSRS.mcause), machine.hart.csr(CSRS.mtval)];
}

const C_FLD = 0x2000 | (2 << 2) | (1 << 7); // c.fld f10, 0(x9)
const C_FSD = 0xa000 | (2 << 2) | (1 << 7) | (1 << 10); // c.fsd f10, 8(x9)
const C_FLDSP = 0x2002 | (11 << 7) | (1 << 5); // c.fldsp f11, 8(sp)
const C_FSDSP = 0xa002 | (11 << 2) | (2 << 10); // c.fsdsp f11, 16(sp)

describe('while mstatus.FS is Off', () => {
  it.each([
    fload('s', 1, A0, 0),
    fload('d', 1, A0, 0),
    fstore('s', 1, A0, 0),
    fstore('d', 1, A0, 0),
    C_FLD,
    C_FSD,
    C_FLDSP,
    C_FSDSP,
    arithmetic('fadd', 'd', 1, 2, 3, rne),
    fused('fmadd', 's', 1, [2, 3, 4], rne),
    selection('fsgnj', 'd', 1, 2, 3),
    comparison('feq', 's', 1, 2, 3),
    fmvToX('d', 1, 2),
    fmvFromX('s', 1, 2),
    csrr(A0, 'fflags'),
    csrr(A0, 'frm'),
    csrr(A0, 'fcsr'),
    csr('w', 0, 'fcsr', A0),
  ])('instruction %i is illegal', (instruction) => {
    expect(trapOf(machineWith(OFF), instruction)).toEqual([ILLEGAL, BigInt(instruction)]);
  });
});

describe('mstatus.FS', () => {
  it.each([
    ['a load', fload('d', 1, A0, 0)],
    ['arithmetic', arithmetic('fadd', 'd', 1, 2, 3, rne)],
    ['a fused one', fused('fnmadd', 's', 1, [2, 3, 4], rne)],
    ['a move from x', fmvFromX('d', 1, 0)],
    ['a write of fcsr', csr('w', 0, 'fcsr', 0)],
    ['a write of frm', csr('w', 0, 'frm', 0)],
    ['a comparison that is invalid', comparison('flt', 'd', A1, 9, 9)],
  ])('becomes Dirty by %s, and SD with it', (_what, instruction) => {
    for (const before of [INITIAL, CLEAN]) {
      const machine = machineWith(before);
      machine.hart.setX(A0, BigInt(DATA));
      machine.hart.setF(9, 0x7ff8_0000_0000_0000n);
      expect(sdOf(machine)).toBe(0n);
      expect(trapOf(machine, instruction)).toBeUndefined();
      expect([fsOf(machine), sdOf(machine)]).toEqual([DIRTY, 1n]);
    }
  });

  it.each([
    ['a store', fstore('d', 1, A0, 0)],
    ['a move to x', fmvToX('d', A1, 1)],
    ['a comparison', comparison('feq', 'd', A1, 1, 1)],
    ['a class', fclass('s', A1, 1)],
    ['an exact conversion to an integer', fcvtToX('l', 'd', A1, 1, rtz)],
    ['reading fcsr', csrr(A1, 'fcsr')],
    ['a load that traps', fload('d', 1, 0, 0)],
  ])('stays Clean by %s', (_what, instruction) => {
    const machine = machineWith(CLEAN);
    machine.hart.setX(A0, BigInt(DATA));
    trapOf(machine, instruction);
    expect([fsOf(machine), sdOf(machine)]).toEqual([CLEAN, 0n]);
  });

  it('is seen and written through sstatus; SD only follows it', () => {
    const machine = machineWith(OFF);
    machine.hart.setCsr(CSRS.sstatus, DIRTY << 13n);
    expect(machine.hart.csr(CSRS.sstatus)).toBe(0x8000_0002_0000_6000n);
    machine.hart.setCsr(CSRS.sstatus, (1n << 63n) | (CLEAN << 13n));
    expect(machine.hart.csr(CSRS.mstatus) & ((1n << 63n) | 0x6000n)).toBe(CLEAN << 13n);
  });

  it('is Initial where an SBI hands over, Off at reset', () => {
    const machine = new TestMachine();
    expect(fsOf(machine)).toBe(OFF);
    machine.hart.setF(3, ONE);
    machine.hart.reset({ mode: 'S', pc: BigInt(RAM_BASE), a0: 0n, a1: 0n });
    expect(fsOf(machine)).toBe(INITIAL);
    expect(machine.hart.f(3)).toBe(0n);
  });
});

describe('fcsr', () => {
  it('is frm above fflags, and keeps nothing else', () => {
    const machine = machineWith(DIRTY);
    const { hart } = machine;
    hart.setX(A0, (1n << 64n) - 1n);
    machine.execute([csr('w', A1, 'fcsr', A0)]);
    expect([csrOf(machine, 'fcsr'), csrOf(machine, 'frm'), csrOf(machine, 'fflags')]).toEqual([0xffn, 7n, 31n]);
    hart.setX(A0, 0xfffn);
    machine.execute([csr('w', A1, 'frm', 0)]);
    expect([hart.x(A1), csrOf(machine, 'fcsr')]).toEqual([7n, 31n]);
    machine.execute([csr('w', A1, 'fflags', 0), csr('w', A1, 'frm', A0)]);
    expect([hart.x(A1), csrOf(machine, 'fcsr')]).toEqual([0n, 0xe0n]);
  });

  it('accrues: an exception stays until it is written away', () => {
    const machine = machineWith(DIRTY);
    const { hart } = machine;
    hart.setF(1, ONE);
    machine.execute([arithmetic('fdiv', 'd', 3, 1, 2, rne)]); // 1 / 0
    expect(csrOf(machine, 'fflags')).toBe(FLAGS.DZ);
    hart.setF(2, ONE + 2n);
    machine.execute([arithmetic('fdiv', 'd', 3, 1, 2, rne), arithmetic('fadd', 'd', 3, 1, 1, rne)]);
    expect(csrOf(machine, 'fflags')).toBe(FLAGS.DZ | FLAGS.NX);
  });
});

describe('illegal are', () => {
  it.each([5, 6])('reserved rounding mode %i, in the instruction', (rm) => {
    for (const instruction of [
      arithmetic('fmul', 'd', 1, 2, 3, rm),
      fused('fmsub', 'd', 1, [2, 3, 4], rm),
      fsqrt('s', 1, 2, rm),
      fcvt('d', 1, 2, rm),
      fcvtToX('wu', 's', 1, 2, rm),
    ]) {
      expect(trapOf(machineWith(CLEAN), instruction)).toEqual([ILLEGAL, BigInt(instruction)]);
    }
  });

  it.each([5n, 6n, 7n])('reserved rounding mode %i in frm, where it is asked for', (rm) => {
    const machine = machineWith(CLEAN);
    machine.hart.setCsr(CSRS.frm, rm);
    expect(trapOf(machine, arithmetic('fadd', 'd', 1, 2, 3, rne))).toBeUndefined();
    const dynamic = arithmetic('fadd', 'd', 1, 2, 3, dyn);
    expect(trapOf(machine, dynamic)).toEqual([ILLEGAL, BigInt(dynamic)]);
    expect(trapOf(machine, selection('fmin', 's', 1, 2, 3))).toBeUndefined(); // does not round
  });

  it('formats that are not here, and operations that are none', () => {
    const half = (arithmetic('fadd', 's', 1, 2, 3, rne) | (2 << 25)) >>> 0;
    const quad = (arithmetic('fadd', 's', 1, 2, 3, rne) | (3 << 25)) >>> 0;
    const operations = [
      half,
      quad,
      (fused('fmadd', 's', 1, [2, 3, 4], rne) | (2 << 25)) >>> 0,
      fsqrt('d', 1, 2, rne) | (1 << 20), // rs2 is not zero
      selection('fsgnj', 's', 1, 2, 3) | (3 << 12),
      selection('fmin', 's', 1, 2, 3) | (2 << 12),
      comparison('feq', 's', 1, 2, 3) | (1 << 12), // funct3 3
      fcvt('s', 1, 2, rne) & ~(1 << 20), // from S to S
      fcvtToX('lu', 'd', 1, 2, rne) | (4 << 20), // to no kind of integer
      fmvToX('d', 1, 2) | (2 << 12),
      fmvToX('d', 1, 2) | (1 << 20),
      fmvFromX('d', 1, 2) | (1 << 12),
      fload('s', 1, A0, 0) & ~(3 << 12), // a byte
      (fload('d', 1, A0, 0) | (4 << 12)) >>> 0,
      fstore('s', 1, A0, 0) & ~(2 << 12),
      (5 << 27) | (2 << 12) | 0x53, // funct3 2 of minimum and maximum
      (0b01100 << 27) | 0x53, // no such funct5
    ];
    for (const instruction of operations) {
      expect(trapOf(machineWith(CLEAN), instruction >>> 0)).toEqual([ILLEGAL, BigInt(instruction >>> 0)]);
    }
  });
});

describe('loads and stores', () => {
  const machine = machineWith(DIRTY);
  const { hart } = machine;

  it('move bits as they are; singles are boxed', () => {
    machine.write64(DATA, 0x1234_5678_7f80_0001n); // a signalling NaN
    hart.setX(A0, BigInt(DATA + 8));
    machine.execute([fload('s', 1, A0, -8), fload('d', 2, A0, -8), fstore('d', 1, A0, 0), fstore('s', 2, A0, 8)]);
    expect(hart.f(1)).toBe(BOX | 0x7f80_0001n);
    expect(hart.f(2)).toBe(0x1234_5678_7f80_0001n);
    expect(machine.read64(DATA + 8)).toBe(BOX | 0x7f80_0001n);
    expect(machine.read64(DATA + 16)).toBe(0x7f80_0001n);
  });

  it('work misaligned and across pages, and set the dirty log', () => {
    machine.write64(DATA + 0xff8, 0x1111_2222_0000_0000n);
    machine.write64(DATA + 0x1000, 0x3333_4444n);
    machine.syncDirty();
    hart.setX(A0, BigInt(DATA + 0xffc));
    machine.execute([fload('d', 1, A0, 0), fstore('d', 1, A0, 1)]);
    expect(hart.f(1)).toBe(0x3333_4444_1111_2222n);
    expect(machine.read64(DATA + 0x1000) & 0xff_ffff_ffffn).toBe(0x33_3344_4411n);
    expect([machine.isDirty(DATA), machine.isDirty(DATA + 0x1000)]).toEqual([true, true]);
  });

  it('leave the register alone when they trap', () => {
    hart.setF(1, ONE);
    hart.setX(A0, NOTHING);
    expect(trapOf(machine, fload('d', 1, A0, 4))).toEqual([5n, NOTHING + 4n]);
    expect(hart.f(1)).toBe(ONE);
    expect(trapOf(machine, fstore('s', 1, A0, 8))).toEqual([7n, NOTHING + 8n]);
  });

  it('have compressed forms for doubles', () => {
    machine.write64(DATA, ONE);
    hart.setX(9, BigInt(DATA));
    hart.setX(2, BigInt(DATA));
    machine.execute([C_FLD, C_FSD, C_FLDSP, C_FSDSP]);
    expect([hart.f(10), hart.f(11)]).toEqual([ONE, ONE]);
    expect([machine.read64(DATA + 8), machine.read64(DATA + 16)]).toEqual([ONE, ONE]);
  });
});

it('f registers and fcsr of a hart that was saved are there when it goes on elsewhere', () => {
  const program = [
    arithmetic('fdiv', 'd', 3, 1, 2, dyn),
    fused('fmadd', 'd', 2, [2, 3, 1], dyn),
    fcvt('s', 4, 2, dyn),
    csrr(5, 'mstatus'),
    i('addi', 6, 6, 1),
    jal(0, -20),
  ];
  const begin = () => {
    const machine = machineWith(INITIAL);
    machine.hart.setF(1, ONE);
    machine.hart.setF(2, ONE + 123n);
    machine.hart.setCsr(CSRS.frm, BigInt(ROUNDING.rup));
    machine.execute(program);
    return machine;
  };
  const through = begin();
  through.hart.run(1000);

  const source = begin();
  source.hart.run(401);
  const state = JSON.parse(JSON.stringify(source.hart.save()));
  const destination = new TestMachine({ hartId: 5 });
  destination.load(program);
  destination.hart.restore(state);
  expect(destination.hart.save()).toEqual(source.hart.save());
  destination.hart.run(599);
  expect(destination.hart.save()).toEqual(through.hart.save());
  expect(csrOf(destination, 'fcsr')).toBe((BigInt(ROUNDING.rup) << 5n) | FLAGS.NX);
  expect(destination.hart.f(4)).not.toBe(0n);
});
