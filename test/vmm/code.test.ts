/** Code that changes: what each hart executes after stores to it by itself, by another hart, by a device. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { serveAttention } from '../../libs/vmm/attention.js';
import { H_ATTENTION, HARTS, HART_SIZE, MACHINE, M_HARTS, RAM_BASE } from '../../libs/vmm/layout.js';
import { GuestMemory } from '../../libs/vmm/memory.js';
import { exchange32, or32, store32 } from '../../libs/vmm/shared.js';
import { CSRS, FENCE_I, amo, assemble, b, i, jal, lui, r, s, sizeOf } from './assembler.js';
import { TestMachine, UART, newMemory } from './machine.js';

const [ra, t0, t1, t2, a0] = [1, 5, 6, 7, 10] as const;
const START = BigInt(RAM_BASE);
const FUNCTION = RAM_BASE + 0x1_0000;
const RET = i('jalr', 0, ra, 0);
const returns = (value: number) => i('addi', a0, 0, value);

/** What tests have a hart execute: there from the beginning, 64 bytes each. */
const ACTIONS = {
  call: [i('jalr', ra, t2, 0)],
  fenceAndCall: [FENCE_I, i('jalr', ra, t2, 0)],
  sb: [s('sb', t1, t0, 0)],
  sh: [s('sh', t1, t0, 0)],
  sw: [s('sw', t1, t0, 0)],
  sd: [s('sd', t1, t0, 0)],
  amoswap: [amo('amoswap', 'w', 0, t0, t1)],
};
type Action = keyof typeof ACTIONS;
const startOf = (action: Action) => RAM_BASE + 0x800 + 64 * Object.keys(ACTIONS).indexOf(action);

function newMachine(memory = newMemory(8), hartId = 0): TestMachine {
  const machine = new TestMachine({ memory, hartId });
  for (const action of Object.keys(ACTIONS) as Action[]) machine.load(ACTIONS[action], startOf(action));
  return machine;
}

function act(machine: TestMachine, action: Action): void {
  machine.hart.pc = BigInt(startOf(action));
  const end = BigInt(startOf(action) + sizeOf(ACTIONS[action]));
  for (let steps = 0; machine.hart.pc !== end; steps++) {
    if (steps === 100) throw new Error(`${action} does not end: pc is 0x${machine.hart.pc.toString(16)}`);
    const exit = machine.hart.run(1);
    if (exit !== 'budget') throw new Error(`${action}: the hart leaves with ${exit}`);
  }
}

/** Calls the function at `address`; a0. */
function call(machine: TestMachine, address = FUNCTION, action: 'call' | 'fenceAndCall' = 'call'): number {
  machine.hart.setX(t2, BigInt(address));
  act(machine, action);
  return Number(BigInt.asIntN(64, machine.hart.x(a0)));
}

/** Has the hart store into RAM. */
function store(machine: TestMachine, action: Action, address: number, value: number | bigint): void {
  machine.hart.setX(t0, BigInt(address));
  machine.hart.setX(t1, BigInt(value));
  act(machine, action);
}

describe('a store of the hart itself', () => {
  it('is seen by the next instruction, without FENCE.I', () => {
    const machine = newMachine();
    machine.hart.setX(t0, START + 4n);
    machine.load([s('sw', t1, t0, 0), returns(1), jal(0, -8)]);
    machine.hart.pc = START;
    for (let value = 2; value < 5; value++) {
      machine.hart.setX(t1, BigInt(returns(value)));
      machine.hart.run(3);
      expect(machine.hart.x(a0)).toBe(BigInt(value));
    }
  });

  it('is seen in code that has run before, with FENCE.I and without', () => {
    const machine = newMachine();
    machine.load([returns(1), RET], FUNCTION);
    expect(call(machine)).toBe(1);
    store(machine, 'sw', FUNCTION, returns(2));
    expect(call(machine)).toBe(2);
    store(machine, 'sw', FUNCTION, returns(3));
    expect(call(machine, FUNCTION, 'fenceAndCall')).toBe(3);
  });

  it('is seen when it is an AMO, or a part of an instruction, or lies on two pages', () => {
    const machine = newMachine();
    const address = FUNCTION + 0xffc;
    machine.load([jal(0, 4), returns(1), RET], address);
    expect(call(machine, address)).toBe(1);
    store(machine, 'amoswap', address + 4, returns(2));
    expect(call(machine, address)).toBe(2);
    store(machine, 'sb', address + 6, returns(3) >>> 16);
    expect(call(machine, address)).toBe(3);
    store(machine, 'sd', address, (BigInt(returns(4)) << 32n) | BigInt(jal(0, 4)));
    expect(call(machine, address)).toBe(4);
    store(machine, 'sw', address + 2, ((returns(5) & 0xffff) << 16) | (jal(0, 4) >>> 16));
    store(machine, 'sh', address + 6, returns(5) >>> 16);
    expect(call(machine, address)).toBe(5);
  });

  it('is seen through another virtual address, whose translation was known before the code ran', () => {
    const machine = newMachine();
    const root = RAM_BASE + 0x2_0000;
    machine.write64(root + 8, (BigInt(RAM_BASE) >> 2n) | 0xc7n); // a gigapage at 0x4000_0000: V, R, W, A, D
    machine.hart.setCsr(CSRS.satp, (8n << 60n) | BigInt(root >>> 12));
    machine.hart.setCsr(CSRS.mstatus, (1n << 17n) | (1n << 11n)); // loads and stores as S-mode does
    const alias = FUNCTION - RAM_BASE + 0x4000_0000;
    store(machine, 'sw', alias, returns(1));
    store(machine, 'sw', alias + 4, RET);
    for (let value = 1; value < 4; value++) {
      expect(call(machine)).toBe(value);
      store(machine, 'sw', alias, returns(value + 1));
    }
  });

  it('is seen each time, however often it is made', () => {
    const machine = newMachine();
    machine.load([returns(0), RET], FUNCTION);
    for (let value = 0; value < 100; value++) {
      store(machine, 'sw', FUNCTION, returns(value));
      expect(call(machine)).toBe(value);
    }
  });

  it('is seen each time in the midst of code that goes through it', () => {
    const machine = newMachine();
    const sum = 11;
    const between = Array.from({ length: 40 }, () => i('addi', 0, 0, 0));
    const loop = [s('sw', t1, t0, 0), r('add', t1, t1, t2), ...between, returns(0), r('add', sum, sum, a0)];
    machine.hart.setX(t0, START + BigInt(sizeOf(loop) - 8));
    machine.hart.setX(t1, BigInt(returns(1)));
    machine.hart.setX(t2, 1n << 20n); // 1 in the immediate
    machine.load([...loop, jal(0, -sizeOf(loop))]);
    machine.hart.pc = START;
    machine.hart.run(100 * (loop.length + 1));
    expect(machine.hart.x(sum)).toBe(5050n);
  });

  it('is seen each time by an instruction that begins in another cache block', () => {
    const machine = newMachine();
    const address = FUNCTION + 0x7e;
    machine.load([returns(0), RET], address);
    for (let value = 0; value < 100; value++) {
      store(machine, 'sh', address + 2, returns(value) >>> 16);
      expect(call(machine, address)).toBe(value);
    }
  });

  it('may be made all the time, beside the code', () => {
    const machine = newMachine();
    machine.hart.setX(t0, START + 0x400n);
    machine.hart.setX(t2, 10_000n);
    machine.load([i('ld', t1, t0, 0), i('addi', t1, t1, 1), s('sd', t1, t0, 0), b('bne', t1, t2, -12), jal(0, 0)]);
    machine.hart.pc = START;
    for (let slice = 0; slice < 41; slice++) machine.hart.run(1000);
    expect(machine.read64(RAM_BASE + 0x400)).toBe(10_000n);
    expect(machine.hart.instret).toBe(41_000n);
  });
});

/** Two harts on one memory. */
class TwoHarts {
  readonly memory = newMemory(8);
  readonly shared = new GuestMemory(this.memory);
  readonly machines: readonly [TestMachine, TestMachine];

  constructor() {
    store32(this.shared, MACHINE + M_HARTS, 2);
    this.machines = [newMachine(this.memory, 0), newMachine(this.memory, 1)];
  }

  /** Between two slices a hart serves what it was asked for. */
  serve(hart: number): void {
    serveAttention(this.shared, hart, () => this.machines[hart]!.hart.flushWrites());
  }

  /** Within a slice it does not even see it. */
  withinSlice<T>(hart: number, action: (machine: TestMachine) => T): T {
    const attention = HARTS + hart * HART_SIZE + H_ATTENTION;
    const asked = exchange32(this.shared, attention, 0);
    const result = action(this.machines[hart]!);
    or32(this.shared, attention, asked);
    return result;
  }
}

describe('a store of another hart', () => {
  it('is seen after FENCE.I, though it went through an older entry of the write TLB', () => {
    const two = new TwoHarts();
    const [hart] = two.machines;
    hart.load([returns(0), RET], FUNCTION);
    for (let value = 1; value < 20; value++) {
      two.withinSlice(1, (other) => store(other, 'sw', FUNCTION, returns(value)));
      expect(call(hart, FUNCTION, 'fenceAndCall')).toBe(value);
      if (value % 3 === 0) two.serve(1);
    }
  });

  it('is seen after a remote fence', () => {
    const two = new TwoHarts();
    const [hart] = two.machines;
    hart.load([returns(0), RET], FUNCTION);
    for (let value = 1; value < 5; value++) {
      two.withinSlice(1, (other) => store(other, 'sw', FUNCTION, returns(value)));
      hart.hart.fence();
      expect(call(hart)).toBe(value);
    }
  });

  it('costs nothing any more once that hart has forgotten its write TLB: unchanged pages stay decoded', () => {
    const two = new TwoHarts();
    const [hart] = two.machines;
    hart.load([returns(1), RET], FUNCTION);
    call(hart, FUNCTION, 'call'); // decodes
    call(hart, FUNCTION, 'fenceAndCall'); // asks the other hart
    two.serve(1);
    call(hart, FUNCTION, 'fenceAndCall'); // decodes anew for the last time
    two.shared.view.setUint32(two.shared.offsetOf(FUNCTION, 4), returns(2), true); // behind everybody's back
    expect(call(hart, FUNCTION, 'fenceAndCall')).toBe(1);
    two.withinSlice(1, (other) => store(other, 'sw', FUNCTION, returns(3)));
    expect(call(hart, FUNCTION, 'fenceAndCall')).toBe(3);
  });
});

describe('a write of a device', () => {
  it('is seen after FENCE.I', () => {
    const machine = newMachine();
    const memory = new GuestMemory(machine.memory);
    machine.load([returns(1), RET], FUNCTION);
    expect(call(machine)).toBe(1);
    memory.writeBytes(FUNCTION, assemble([returns(2)]));
    expect(call(machine, FUNCTION, 'fenceAndCall')).toBe(2);
    memory.write32(FUNCTION, returns(3));
    expect(call(machine, FUNCTION, 'fenceAndCall')).toBe(3);
    memory.fill(FUNCTION, 4, 0x01); // c.addi sp, 0 twice: a0 keeps what it has
    machine.hart.setX(a0, 9n);
    expect(call(machine, FUNCTION, 'fenceAndCall')).toBe(9);
  });
});

describe('an instruction over two pages', () => {
  const address = FUNCTION + 0xffe;

  it('sees each of its halves change', () => {
    const machine = newMachine();
    machine.load([returns(1), RET], address);
    expect(call(machine, address)).toBe(1);
    expect(call(machine, address)).toBe(1);
    store(machine, 'sh', address + 2, returns(2) >>> 16);
    expect(call(machine, address)).toBe(2);
    store(machine, 'sh', address, lui(a0, 0) & 0xffff);
    expect(call(machine, address)).toBe((returns(2) >>> 16) << 16);
  });

  it('jumps, branches and traps as anywhere', () => {
    const machine = newMachine();
    machine.load([jal(0, 8), RET, returns(5), RET], address);
    expect(call(machine, address)).toBe(5);
    machine.load([b('beq', 0, 0, -0x20)], address);
    machine.load([returns(6), RET], address - 0x20);
    expect(call(machine, address, 'fenceAndCall')).toBe(6);
    machine.load([0x0000_007f], address);
    machine.hart.setCsr(CSRS.mtvec, BigInt(FUNCTION + 0x2000));
    machine.load([RET], FUNCTION + 0x2000);
    call(machine, address, 'fenceAndCall');
    expect(machine.hart.csr(CSRS.mepc)).toBe(BigInt(address));
    expect(machine.hart.csr(CSRS.mtval)).toBe(0x7fn);
  });
});

it('more pages of code than a hart keeps decoded', () => {
  const machine = newMachine(newMemory(16));
  const pages = 1500;
  for (let page = 0; page < pages; page++) {
    machine.load([i('addi', a0, a0, 1), jal(0, page + 1 < pages ? 0xffc : 0)], FUNCTION + page * 0x1000);
  }
  for (let round = 0; round < 3; round++) {
    machine.hart.setX(a0, 0n);
    machine.hart.pc = BigInt(FUNCTION);
    machine.hart.run(2 * pages);
    expect(machine.hart.x(a0)).toBe(BigInt(pages));
  }
});

it('attention that is asked for while a device answers ends the slice', () => {
  const machine: TestMachine = new TestMachine({
    ports: {
      mmioWrite: () => {
        store32(new GuestMemory(machine.memory), HARTS + H_ATTENTION, 1);
        return true;
      },
    },
  });
  machine.load([lui(t0, UART >>> 12), s('sb', 0, t0, 0), i('addi', t1, t1, 1), jal(0, -4)]);
  expect(machine.hart.run(1000)).toBe('budget');
  expect(machine.hart.pc).toBe(START + 8n);
  expect(machine.hart.instret).toBe(2n);
  expect(machine.hart.run(1000)).toBe('attention');
});

describe('whoever stores, and whenever harts forget their write TLBs', () => {
  const place = fc.nat({ max: 5 });
  const hart = fc.nat({ max: 1 });
  const value = fc.nat({ max: 99 });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('store' as const), hart, place, value }),
    fc.record({ kind: fc.constant('storeOften' as const), hart, place, value }),
    fc.record({ kind: fc.constant('device' as const), place, value }),
    fc.record({ kind: fc.constant('call' as const), hart, place }),
    fc.record({ kind: fc.constant('fenceAndCall' as const), hart, place }),
    fc.record({ kind: fc.constant('serve' as const), hart }),
  );
  /** After so many, a hart takes the page for one of code and data. */
  const OFTEN = 20;
  /** Two functions a page, on three pages. */
  const addressOf = (n: number) => FUNCTION + (n >> 1) * 0x1000 + (n & 1) * 0x20;

  it('a call after FENCE.I executes what is in memory', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), (steps) => {
        const two = new TwoHarts();
        const values = [0, 0, 0, 0, 0, 0];
        values.forEach((_, n) => two.machines[0].load([returns(0), RET], addressOf(n)));
        for (const todo of steps) {
          if (todo.kind === 'serve') {
            two.serve(todo.hart);
            continue;
          }
          const address = addressOf(todo.place);
          if ('value' in todo) values[todo.place] = todo.value;
          if (todo.kind === 'device') two.shared.write32(address, returns(todo.value));
          else if (todo.kind === 'store') {
            two.withinSlice(todo.hart, (machine) => store(machine, 'sw', address, returns(todo.value)));
          } else if (todo.kind === 'storeOften') {
            two.withinSlice(todo.hart, (machine) => {
              for (let stored = todo.value - OFTEN; stored <= todo.value; stored++) {
                store(machine, 'sw', address, returns(stored));
                expect(call(machine, address, 'fenceAndCall')).toBe(stored);
              }
            });
          } else {
            const returned = two.withinSlice(todo.hart, (machine) => call(machine, address, todo.kind));
            if (todo.kind === 'fenceAndCall') expect(returned).toBe(values[todo.place]);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});
