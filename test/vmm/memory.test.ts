/** Address translation, misaligned accesses, devices, the dirty log and atomics between threads. */
import { Worker } from 'node:worker_threads';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RAM_BASE } from '../../libs/vmm/layout.js';
import { CSRS, MRET, amo, b, csr, i, jal, li, s, sfence } from './assembler.js';
import { TestMachine, cpuModule, newMemory } from './machine.js';
import {
  A,
  D,
  DATA,
  HANDLER,
  LEAVES,
  LOAD,
  MIDDLE,
  MPRV,
  MXR,
  R,
  ROOT,
  S_MODE,
  START,
  STORE,
  SUM,
  U,
  V,
  W,
  X,
  faultOf,
  pte,
  translating,
} from './paging.js';

const C_NOP = 0x0001;

describe('Sv39', () => {
  it('translates, and sets the accessed and dirty bits itself', () => {
    const machine = translating(V | R | W);
    machine.write64(DATA + 8, 42n);
    expect(faultOf(machine, LOAD, 8n)).toBeUndefined();
    expect(machine.hart.x(6)).toBe(42n);
    expect(machine.read64(LEAVES)).toBe(pte(DATA, V | R | W | A));
    machine.hart.setX(7, 43n);
    expect(faultOf(machine, STORE, 8n)).toBeUndefined();
    expect(machine.read64(DATA + 8)).toBe(43n);
    expect(machine.read64(LEAVES)).toBe(pte(DATA, V | R | W | A | D));
    expect(machine.isDirty(LEAVES)).toBe(true);
  });

  it('knows superpages and their alignment', () => {
    const machine = translating(V | R);
    machine.write64(ROOT + 8, pte(RAM_BASE, V | R | A)); // 1 GiB at 0x4000_0000
    machine.write64(MIDDLE + 8, pte(RAM_BASE, V | R | A)); // 2 MiB at 0x20_0000
    machine.write64(MIDDLE + 16, pte(RAM_BASE + 0x1000, V | R | A)); // misaligned
    machine.write64(DATA + 0x18, 7n);
    for (const va of [0x4010_0018n, 0x30_0018n]) {
      expect(faultOf(machine, LOAD, va)).toBeUndefined();
      expect(machine.hart.x(6)).toBe(7n);
    }
    expect(faultOf(machine, LOAD, 0x40_0000n)).toEqual({ cause: 13n, tval: 0x40_0000n });
  });

  it('an SFENCE.VMA for one address drops the superpage around it', () => {
    const machine = translating(V | R);
    machine.write64(MIDDLE + 8, pte(RAM_BASE, V | R | A));
    expect(faultOf(machine, LOAD, 0x30_0000n)).toBeUndefined();
    machine.write64(MIDDLE + 8, 0n);
    machine.hart.setX(5, 0x30_0000n);
    machine.hart.setX(8, 0x20_0000n);
    machine.load([sfence(8), LOAD], RAM_BASE + 0x3000);
    machine.hart.pc = START + 0x3000n;
    machine.hart.run(2);
    expect(machine.hart.csr(CSRS.mcause)).toBe(13n);
  });

  it('a remote fence drops the pages of its range alone', () => {
    const machine = translating(V | R | A);
    for (const page of [1, 2, 3]) machine.write64(LEAVES + 8 * page, pte(DATA, V | R | A));
    machine.load([LOAD, LOAD], RAM_BASE + 0x3000);
    const faults = (va: bigint) => {
      machine.hart.setX(5, va);
      machine.hart.pc = START + 0x3000n;
      machine.hart.run(1);
      return machine.hart.pc === HANDLER;
    };
    const pages = [0x1000n, 0x2000n, 0x3000n];
    expect(pages.map(faults)).toEqual([false, false, false]);
    for (const page of [1, 2, 3]) machine.write64(LEAVES + 8 * page, 0n);
    machine.hart.fence({ start: 0x1000n, pages: 2 });
    expect(faults(0x3000n)).toBe(false);
    expect(faults(0x2000n)).toBe(true);
    machine.hart.setCsr(CSRS.mstatus, MPRV | S_MODE);
    expect(faults(0x1000n)).toBe(true);
    machine.hart.setCsr(CSRS.mstatus, MPRV | S_MODE);
    machine.hart.fence();
    expect(faults(0x3000n)).toBe(true);
  });

  it('faults with the address where permission is missing', () => {
    const va = 0x10n;
    const load = { cause: 13n, tval: va };
    const store = { cause: 15n, tval: va };
    expect(faultOf(translating(0n), LOAD, va)).toEqual(load);
    expect(faultOf(translating(V | W), LOAD, va)).toEqual(load); // reserved
    expect(faultOf(translating(V | R | (1n << 60n)), LOAD, va)).toEqual(load); // reserved
    expect(faultOf(translating(V | R), STORE, va)).toEqual(store);
    expect(faultOf(translating(V | R), amo('amoadd', 'd', 6, 5, 0), va)).toEqual(store);
    expect(faultOf(translating(V | R), amo('lr', 'd', 6, 5, 0), va)).toBeUndefined();
    expect(faultOf(translating(V | R), LOAD, 1n << 38n)).toEqual({ cause: 13n, tval: 1n << 38n });
  });

  it('heeds SUM, MXR and U', () => {
    expect(faultOf(translating(V | R | U), LOAD, 0n)).toEqual({ cause: 13n, tval: 0n });
    expect(faultOf(translating(V | R | U, MPRV | S_MODE | SUM), LOAD, 0n)).toBeUndefined();
    expect(faultOf(translating(V | R | U, MPRV), LOAD, 0n)).toBeUndefined(); // U-mode
    expect(faultOf(translating(V | R, MPRV), LOAD, 0n)).toEqual({ cause: 13n, tval: 0n });
    expect(faultOf(translating(V | X), LOAD, 0n)).toEqual({ cause: 13n, tval: 0n });
    expect(faultOf(translating(V | X, MPRV | S_MODE | MXR), LOAD, 0n)).toBeUndefined();
  });

  it('a cached translation does not outlive a change of SUM', () => {
    const machine = translating(V | R | U, MPRV | S_MODE | SUM);
    machine.hart.setX(5, 0n);
    machine.hart.setX(8, SUM);
    machine.load([LOAD, csr('c', 0, 'mstatus', 8), LOAD]);
    machine.hart.pc = START;
    machine.hart.run(3);
    expect(machine.hart.pc).toBe(HANDLER);
    expect(machine.hart.csr(CSRS.mepc)).toBe(START + 8n);
  });

  it('a page table outside RAM is an access fault', () => {
    const machine = translating(V | R);
    machine.write64(ROOT, pte(0x4000_0000, V));
    expect(faultOf(machine, STORE, 0n)).toEqual({ cause: 7n, tval: 0n });
  });

  it('a fetch faults at the page that is missing, in an instruction that crosses into it too', () => {
    const machine = translating(V | R | X, S_MODE);
    machine.hart.setCsr(CSRS.mepc, 0xffen);
    machine.loadBytes(Uint8Array.of(0x13, 0x05), DATA + 0xffe); // the first half of an ADDI, at the end of leaf 0
    machine.load([MRET]);
    machine.hart.pc = START;
    machine.hart.run(2);
    expect(machine.hart.csr(CSRS.mcause)).toBe(12n);
    expect(machine.hart.csr(CSRS.mepc)).toBe(0xffen);
    expect(machine.hart.csr(CSRS.mtval)).toBe(0x1000n);
    // With the second page there, its half is taken: addi x10, x0, 5.
    machine.write64(LEAVES + 8, pte(DATA + 0x2000, V | X));
    machine.loadBytes(Uint8Array.of(0x50, 0x00), DATA + 0x2000);
    machine.hart.fence();
    machine.hart.setCsr(CSRS.mstatus, S_MODE);
    machine.hart.pc = START;
    machine.hart.run(2);
    expect(machine.hart.x(10)).toBe(5n);
    expect(machine.hart.pc).toBe(0x1002n);
  });
});

describe('misaligned accesses', () => {
  it('cross pages that lie apart', () => {
    const machine = translating(V | R | W);
    machine.write64(LEAVES + 8, pte(DATA + 0x4000, V | R | W));
    machine.hart.setX(7, 0x1122_3344_5566_7788n);
    expect(faultOf(machine, STORE, 0xffdn)).toBeUndefined();
    expect(machine.read64(DATA + 0xff8) >> 40n).toBe(0x66_7788n);
    expect(machine.read64(DATA + 0x4000)).toBe(0x11_2233_4455n);
    expect(faultOf(machine, LOAD, 0xffdn)).toBeUndefined();
    expect(machine.hart.x(6)).toBe(0x1122_3344_5566_7788n);
    expect(machine.isDirty(DATA)).toBe(true);
    expect(machine.isDirty(DATA + 0x4000)).toBe(true);
  });

  it('write nothing when the second page faults, and tell its address', () => {
    const machine = translating(V | R | W);
    machine.hart.setX(7, ~0n);
    expect(faultOf(machine, STORE, 0xffcn)).toEqual({ cause: 15n, tval: 0x1000n });
    expect(machine.read64(DATA + 0xff8)).toBe(0n);
    expect(faultOf(machine, LOAD, 0xffcn)).toEqual({ cause: 13n, tval: 0x1000n });
  });

  it('reach devices byte by byte, aligned ones whole', () => {
    const seen: string[] = [];
    const machine = new TestMachine({
      ports: {
        mmioRead: (address, size) => {
          seen.push(`read ${address.toString(16)} ${size}`);
          return BigInt(address & 0xff);
        },
        mmioWrite: (address, size, value) => {
          seen.push(`write ${address.toString(16)} ${size} ${value.toString(16)}`);
          return true;
        },
      },
    });
    machine.hart.setX(5, 0x1000_1002n);
    machine.hart.setX(7, 0x1234n);
    machine.execute([i('lhu', 6, 5, 0), i('lhu', 8, 5, 1), s('sh', 7, 5, 0), s('sh', 7, 5, 1)]);
    expect(seen).toEqual([
      'read 10001002 2',
      'read 10001003 1',
      'read 10001004 1',
      'write 10001002 2 1234',
      'write 10001003 1 34',
      'write 10001004 1 12',
    ]);
    expect(machine.hart.x(6)).toBe(0x02n);
    expect(machine.hart.x(8)).toBe(0x0403n);
  });

  it('trap in atomics', () => {
    const machine = translating(V | R | W);
    expect(faultOf(machine, amo('amoswap', 'd', 6, 5, 7), 4n)).toEqual({ cause: 6n, tval: 4n });
    expect(faultOf(machine, amo('sc', 'w', 6, 5, 7), 2n)).toEqual({ cause: 6n, tval: 2n });
    expect(faultOf(machine, amo('lr', 'w', 6, 5, 0), 2n)).toEqual({ cause: 4n, tval: 2n });
  });
});

describe('the dirty log', () => {
  const writers = {
    store: [STORE],
    AMO: [amo('amoor', 'w', 6, 5, 7)],
    SC: [amo('lr', 'd', 6, 5, 0), amo('sc', 'd', 6, 5, 7)],
    'store into two pages': [s('sd', 7, 5, -4)],
  };
  for (const [name, instructions] of Object.entries(writers)) {
    it(`has the page of a ${name}, and again after each flush`, () => {
      const machine = new TestMachine();
      machine.hart.setX(5, BigInt(DATA));
      for (let round = 0; round < 3; round++) {
        machine.syncDirty();
        expect(machine.isDirty(DATA)).toBe(false);
        machine.execute(instructions);
        expect(machine.isDirty(DATA)).toBe(true);
        expect(machine.isDirty(DATA - 0x1000)).toBe(name === 'store into two pages');
        expect(machine.isDirty(DATA + 0x1000)).toBe(false);
      }
    });
  }

  it('has no page that was only read or executed', () => {
    const machine = new TestMachine();
    machine.hart.setX(5, BigInt(DATA));
    machine.syncDirty();
    machine.execute([LOAD, amo('lr', 'd', 6, 5, 0)]);
    expect(machine.isDirty(DATA)).toBe(false);
    expect(machine.isDirty(RAM_BASE)).toBe(false);
  });

  it('is set without a fence: flushWrites alone makes the next store log', () => {
    const machine = new TestMachine();
    machine.hart.setX(5, BigInt(DATA));
    machine.load([STORE, jal(0, -4)]);
    machine.hart.run(10);
    machine.syncDirty();
    machine.hart.run(10);
    expect(machine.isDirty(DATA)).toBe(true);
  });
});

describe('atomics', () => {
  it('SC fails without a reservation, after a trap, at another width and after another write', () => {
    const machine = new TestMachine();
    machine.hart.setX(5, BigInt(DATA));
    machine.hart.setX(7, 9n);
    const sc = amo('sc', 'd', 8, 5, 7);
    const lr = amo('lr', 'd', 6, 5, 0);
    machine.hart.setCsr(CSRS.mtvec, BigInt(RAM_BASE + 16));
    for (const [instructions, result] of [
      [[sc], 1n],
      [[lr, sc], 0n],
      [[lr, sc, sc], 1n],
      [[lr, s('sd', 10, 5, 0), sc], 1n],
      [[amo('lr', 'w', 6, 5, 0), sc], 1n],
    ] as const) {
      machine.hart.setX(8, 99n);
      machine.hart.setX(10, machine.read64(DATA) + 1n);
      machine.execute(instructions);
      expect(machine.hart.x(8)).toBe(result);
    }
    machine.hart.setX(8, 99n);
    machine.load([lr, 0xffff_ffff, ...Array.from({ length: 4 }, () => C_NOP), sc]); // the trap goes to the SC
    machine.hart.pc = START;
    machine.hart.run(3);
    expect(machine.hart.x(8)).toBe(1n);
  });

  it('hold between harts on two threads', { timeout: 90_000 }, async () => {
    const rounds = 100_000;
    const memory = newMemory(2);
    const [t0, t1, a0, a1] = [5, 6, 10, 11] as const;
    // Both count up two cells, one with LR and SC, one with an AMO.
    const program = [
      ...li(a0, BigInt(DATA)),
      ...li(a1, BigInt(rounds)),
      i('addi', 7, 0, 1),
      amo('lr', 'd', t0, a0, 0),
      i('addi', t0, t0, 1),
      amo('sc', 'd', t1, a0, t0),
      b('bne', t1, 0, -12),
      i('addi', 8, a0, 64),
      amo('amoadd', 'w', 0, 8, 7),
      i('addi', a1, a1, -1),
      b('bne', a1, 0, -28),
      ...li(t0, 0x10_0000n),
      s('sw', 0, t0, 0),
    ];
    const machine = new TestMachine({ memory });
    machine.load(program);
    const hart = pathToFileURL(join(import.meta.dirname, '../../dist/libs/vmm/hart.js')).href;
    const code = `
      const { workerData } = require('node:worker_threads');
      import(workerData.hart).then(({ Hart }) => {
        let done = false;
        const ports = { timeTicks: () => 0n, mmioRead: () => undefined, mmioWrite: () => (done = true) };
        const hart = new Hart(workerData.module, workerData.memory, workerData.hartId, ports);
        hart.reset({ mode: 'M', pc: ${START}n, a0: 0n, a1: 0n });
        while (!done) hart.run(1000);
      });`;
    await Promise.all(
      [0, 1].map(
        (hartId) =>
          new Promise<void>((resolve, reject) => {
            const workerData = { hart, module: cpuModule(), memory, hartId };
            const worker = new Worker(code, { eval: true, workerData });
            worker.once('error', reject).once('exit', () => resolve());
          }),
      ),
    );
    expect(machine.read64(DATA)).toBe(BigInt(2 * rounds));
    expect(machine.read64(DATA + 64)).toBe(BigInt(2 * rounds));
  });
});
