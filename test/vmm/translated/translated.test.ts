/** Harts that enter translated code. */
import { createHash } from 'node:crypto';
import { describe, expect, it, test } from 'vitest';
import { MAX_TRANSLATED } from '../../../libs/vmm/cpu/translation-area.js';
import { EXPANSIONS, RAM, RAM_BASE } from '../../../libs/vmm/layout.js';
import { GuestMemory } from '../../../libs/vmm/memory.js';
import { emitRegion } from '../../../libs/vmm/translator/emit.js';
import { formRegion } from '../../../libs/vmm/translator/region.js';
import { translatedRegions } from '../../../libs/vmm/translator/requests.js';
import type { TranslatedModule } from '../../../libs/vmm/translator/translator.js';
import { ModuleBuilder } from '../../../libs/vmm/translator/wasm/module.js';
import { Random } from '../../random.js';
import { CSRS, FENCE_I, MRET, b, cbo, csrw, i, jal, s, sfence } from '../assembler.js';
import { fmvFromX } from '../float-assembler.js';
import { TestMachine } from '../machine.js';
import { randomProgram } from './random-code.js';

const [ra, t0, t1, a0] = [1, 5, 6, 10] as const;
const RET = i('jalr', 0, ra, 0);
const FUNCTION = RAM_BASE + 0x1_0000;
const returns = (value: number) => i('addi', a0, 0, value);

function stateOf({ hart, memory }: TestMachine) {
  return {
    ...hart.save(),
    ram: createHash('sha256')
      .update(new Uint8Array(memory.buffer, RAM, 0x1_4000))
      .digest('hex'),
  };
}

/** Executes what the other hart has executed. An instruction that traps does not retire, so instret alone may be short. */
function catchUp(machine: TestMachine, other: TestMachine): void {
  const step = () => machine.hart.run(1);
  while (machine.hart.instret < other.hart.instret) step();
  for (let traps = 0; machine.hart.pc !== other.hart.pc && traps < 3; traps++) step();
}

test('a hart that enters translated code gets where one that interprets gets', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const program = randomProgram(new Random(seed));
    const one = new TestMachine();
    const other = new TestMachine();
    one.translateAfter(1);
    for (const machine of [one, other]) program.load(machine);
    for (let round = 0; round < 10; round++) {
      for (let slice = 0; slice < 10; slice++) one.hart.run(50);
      catchUp(other, one);
      expect(stateOf(one), `seed ${seed}, round ${round}`).toEqual(stateOf(other));
    }
  }
});

/** A machine with a loop that calls the address in t0 again and again, warm: all of it is translated. */
function callingMachine(): TestMachine {
  const machine = new TestMachine();
  machine.translateAfter(1);
  machine.load([i('jalr', ra, t0, 0), jal(0, -4)]);
  machine.load([returns(1), RET], FUNCTION);
  machine.hart.setX(t0, BigInt(FUNCTION));
  machine.hart.pc = BigInt(RAM_BASE);
  warm(machine);
  return machine;
}

function warm(machine: TestMachine): void {
  for (let slice = 0; slice < 20; slice++) machine.hart.run(20);
}

/** Behind everybody's back: nobody knows that the code has changed. */
function replaceSilently(machine: TestMachine, instruction: number): void {
  new DataView(machine.memory.buffer).setUint32(RAM + FUNCTION - RAM_BASE, instruction, true);
}

describe('translated code', () => {
  it('is what is executed when it is warm', () => {
    const machine = callingMachine();
    replaceSilently(machine, returns(2));
    machine.hart.run(100);
    expect(machine.hart.x(a0)).toBe(1n);
  });

  it('is not entered any more after a store of the hart itself', () => {
    const machine = callingMachine();
    const { hart } = machine;
    machine.load([s('sw', t1, t0, 0), jal(0, RAM_BASE - FUNCTION - 0x1004)], FUNCTION + 0x1000);
    for (let value = 2; value < 10; value++) {
      hart.setX(t1, BigInt(returns(value)));
      hart.pc = BigInt(FUNCTION + 0x1000);
      hart.run(5);
      expect(hart.x(a0)).toBe(BigInt(value));
      hart.pc = BigInt(RAM_BASE);
      warm(machine);
    }
  });

  it('is not entered any more after a device has written and the hart has executed FENCE.I', () => {
    const machine = callingMachine();
    machine.load([FENCE_I, jal(0, -4 - 0x100)], RAM_BASE + 0x100);
    new GuestMemory(machine.memory).write32(FUNCTION, returns(7));
    machine.hart.pc = BigInt(RAM_BASE + 0x100);
    machine.hart.run(20);
    expect(machine.hart.x(a0)).toBe(7n);
  });

  it('may overwrite itself: the next instruction is the new one', () => {
    const machine = new TestMachine();
    machine.translateAfter(1);
    // A loop that writes the second instruction behind the store, with a value that grows.
    machine.load([i('addi', t1, t1, 0), s('sw', t1, t0, 0), returns(1), b('beq', 0, 0, -12)]);
    machine.hart.setX(t0, BigInt(RAM_BASE + 8));
    machine.hart.pc = BigInt(RAM_BASE);
    for (let value = 2; value < 50; value++) {
      machine.hart.setX(t1, BigInt(returns(value)));
      machine.hart.pc = BigInt(RAM_BASE);
      machine.hart.run(12);
      expect(machine.hart.x(a0)).toBe(BigInt(value));
    }
  });
});

describe('page tables', () => {
  const ROOT = RAM_BASE + 0x2_0000;
  const LEAVES = ROOT + 0x2000;
  const VIRTUAL = 0x4000_0000n;
  const FLAGS = 0xcfn; // V, R, W, X, A, D
  const map = (machine: TestMachine, page: number, address: number) =>
    machine.write64(LEAVES + 8 * page, (BigInt(address) >> 2n) | FLAGS);

  /** A hart in S-mode at VIRTUAL, whose page 0 is at FUNCTION. */
  function paged(code: readonly number[]): TestMachine {
    const machine = new TestMachine();
    machine.translateAfter(1);
    machine.write64(ROOT + 8, (BigInt(ROOT + 0x1000) >> 2n) | 1n);
    machine.write64(ROOT + 0x1000, (BigInt(LEAVES) >> 2n) | 1n);
    map(machine, 0, FUNCTION);
    machine.load(code, FUNCTION);
    machine.load([csrw('satp', t0), MRET]);
    const { hart } = machine;
    hart.setX(t0, (8n << 60n) | BigInt(ROOT >>> 12));
    hart.setCsr(CSRS.mstatus, 1n << 11n); // MPP = S
    hart.setCsr(CSRS.mepc, VIRTUAL);
    hart.setX(t0, (8n << 60n) | BigInt(ROOT >>> 12));
    return machine;
  }

  it('an address that means another page after SFENCE.VMA has other code', () => {
    for (const all of [false, true]) {
      // x8 = address of page 1: calls it, then executes SFENCE.VMA for it or for all, again and again.
      const machine = paged([i('jalr', ra, 8, 0), sfence(all ? 0 : 8), jal(0, -8)]);
      machine.load([returns(1), RET], FUNCTION + 0x3000);
      machine.load([returns(2), RET], FUNCTION + 0x4000);
      machine.hart.setX(8, VIRTUAL + 0x1000n);
      for (let round = 0; round < 10; round++) {
        map(machine, 1, FUNCTION + 0x3000 + 0x1000 * (round % 2));
        machine.hart.run(12);
        machine.hart.run(12);
        expect(machine.hart.x(a0)).toBe(BigInt(1 + (round % 2)));
      }
    }
  });

  it('an access that crosses into a page elsewhere reads and writes both', () => {
    const machine = paged([
      i('ld', 7, 8, -64),
      s('sd', 7, 8, -64),
      i('ld', a0, 8, 0),
      s('sd', t1, 8, 0),
      i('ld', t1, 8, 0),
      jal(0, -20),
    ]);
    map(machine, 1, RAM_BASE + 0x4_0000);
    map(machine, 2, RAM_BASE + 0x6_0000);
    machine.hart.setX(8, VIRTUAL + 0x1ffcn);
    machine.hart.run(2); // into S-mode
    for (const value of [0x0102_0304_0506_0708n, 0x1122_3344_5566_7788n]) {
      machine.hart.pc = VIRTUAL; // what is on its way to t1 would overwrite the value
      machine.hart.setX(t1, value);
      warm(machine);
      expect(machine.hart.x(a0)).toBe(value);
    }
    expect(machine.read64(RAM_BASE + 0x4_0ff8)).toBe(0x5566_7788_0000_0000n);
    expect(machine.read64(RAM_BASE + 0x6_0000)).toBe(0x1122_3344n);
  });

  it('code that is not executable any more traps', () => {
    const machine = paged([i('jalr', ra, 8, 0), sfence(8), jal(0, -8)]);
    machine.load([returns(1), RET], FUNCTION + 0x3000);
    map(machine, 1, FUNCTION + 0x3000);
    machine.hart.setX(8, VIRTUAL + 0x1000n);
    machine.hart.setCsr(CSRS.mtvec, BigInt(RAM_BASE + 0x800));
    machine.load([jal(0, 0)], RAM_BASE + 0x800);
    warm(machine);
    machine.write64(LEAVES + 8, ((BigInt(FUNCTION) + 0x3000n) >> 2n) | (FLAGS & ~8n));
    warm(machine);
    expect(machine.hart.csr(CSRS.mcause)).toBe(12n);
    expect(machine.hart.csr(CSRS.mepc)).toBe(VIRTUAL + 0x1000n);
  });
});

/** Modules with so many functions altogether, all alike, for places at which there is nothing but C.JR ra. */
function manyReturns(machine: TestMachine, count: number): TranslatedModule[] {
  const first = RAM_BASE + 0x8_0000;
  machine.load(
    Array.from({ length: count }, () => 0x8082),
    first,
  );
  const memory = machine.memory.buffer;
  const page = { bytes: new DataView(memory, RAM + first - RAM_BASE), expansions: new Uint32Array(memory, EXPANSIONS) };
  const returning = emitRegion(formRegion(page, 0, 1)!, { addresses: 'i32', fuses: false });
  return Array.from({ length: Math.ceil(count / 1000) }, (_, n) => {
    const builder = new ModuleBuilder();
    builder.importSharedMemory('env', 'memory', { addresses: 'i32', initialPages: 0, maximumPages: 65_536 });
    const index = builder.add(returning);
    const places = Array.from({ length: Math.min(1000, count - 1000 * n) }, (__, k) => 1000 * n + k);
    places.forEach((_place, k) => builder.export(String(k), index));
    const code = places.map((place) => ({ place: first - RAM_BASE + 2 * place, version: 0 }));
    return { module: new WebAssembly.Module(builder.finish()), code };
  });
}

test('a hart whose table is full forgets all translated code and takes it up again', () => {
  const machine = callingMachine();
  const memory = new GuestMemory(machine.memory);
  const before = translatedRegions(memory, 0);
  for (const module of manyReturns(machine, MAX_TRANSLATED)) machine.hart.install(module);
  const after = translatedRegions(memory, 0);
  expect(after).toBeLessThan(MAX_TRANSLATED);
  warm(machine);
  expect(translatedRegions(memory, 0)).toBe(after + before);
  expect(machine.hart.x(a0)).toBe(1n);
});

test('a loop that is entered in its middle becomes warm like any other', () => {
  const machine = new TestMachine();
  machine.translateAfter(3);
  // j middle; head: addi a0, a0, 1; middle: addi t1, t1, 1; bne t0, t1, head
  machine.load([jal(0, 8), i('addi', a0, a0, 1), i('addi', t1, t1, 1), b('bne', t0, t1, -8), jal(0, 0)]);
  machine.hart.setX(t0, -1n);
  machine.hart.pc = BigInt(RAM_BASE);
  machine.hart.run(3_000);
  expect(translatedRegions(new GuestMemory(machine.memory), 0)).toBe(1);
  machine.hart.run(3_000);
  const rounds = machine.hart.x(t1);
  expect([rounds, machine.hart.x(a0)]).toEqual([2_000n, 2_000n]);
});

test('so does one whose last instruction before that is none that the inner loop of the interpreter knows', () => {
  const machine = new TestMachine();
  machine.translateAfter(3);
  // j middle; head: fmv.d.x f1, t1; middle: addi t1, t1, 1; bne t0, t1, head
  machine.load([jal(0, 8), fmvFromX('d', 1, t1), i('addi', t1, t1, 1), b('bne', t0, t1, -8), jal(0, 0)]);
  machine.hart.setCsr(CSRS.mstatus, 3n << 13n);
  machine.hart.setX(t0, -1n);
  machine.hart.pc = BigInt(RAM_BASE);
  machine.hart.run(3_000);
  expect(translatedRegions(new GuestMemory(machine.memory), 0)).toBe(1);
  machine.hart.run(3_000);
  expect([machine.hart.x(t1), machine.hart.f(1)]).toEqual([2_000n, 2_000n]);
});

test('nor does it matter where in the page such an instruction stands', () => {
  const machine = new TestMachine();
  machine.translateAfter(3);
  // head: j far; far: fmv.d.x f1, t1; addi t1, t1, 1, which is looked for where head is; bne t0, t1, head
  machine.load([jal(0, 0x200)]);
  machine.load([fmvFromX('d', 1, t1), i('addi', t1, t1, 1), b('bne', t0, t1, -0x208)], RAM_BASE + 0x200);
  machine.hart.setCsr(CSRS.mstatus, 3n << 13n);
  machine.hart.setX(t0, -1n);
  machine.hart.pc = BigInt(RAM_BASE);
  machine.hart.run(4_000);
  expect(translatedRegions(new GuestMemory(machine.memory), 0)).toBe(1);
});

describe('cbo.zero in a warm loop', () => {
  const CBZE = 1n << 7n;
  const DATA = RAM_BASE + 0x1_2000;
  const END = DATA + 0x1000;

  /** Clears DATA to END block by block, over and over, from addresses in the middle of blocks. */
  function clearing(mode: 'U' | 'S' | 'M', menvcfg: bigint, senvcfg: bigint): TestMachine {
    const machine = new TestMachine();
    const { hart } = machine;
    machine.load([
      i('addi', t0, a0, 0),
      cbo('cbo.zero', t0),
      i('addi', t0, t0, 64),
      b('bltu', t0, t1, -8),
      jal(0, -16),
    ]);
    machine.load([MRET], FUNCTION);
    hart.setX(a0, BigInt(DATA) + 8n);
    hart.setX(t1, BigInt(END));
    hart.setCsr(CSRS.mtvec, BigInt(FUNCTION) + 0x100n);
    hart.setCsr(CSRS.menvcfg, menvcfg);
    hart.setCsr(CSRS.senvcfg, senvcfg);
    hart.setCsr(CSRS.mstatus, { U: 0n, S: 1n, M: 3n }[mode] << 11n);
    hart.setCsr(CSRS.mepc, BigInt(RAM_BASE));
    hart.pc = BigInt(FUNCTION);
    hart.run(1);
    return machine;
  }

  it.each([
    ['M', 0n, 0n, true],
    ['M', CBZE, 0n, true],
    ['S', CBZE, 0n, true],
    ['S', 0n, CBZE, false],
    ['U', CBZE, CBZE, true],
    ['U', CBZE, 0n, false],
    ['U', 0n, CBZE, false],
  ] as const)('in %s-mode, menvcfg %i, senvcfg %i: allowed is %s', (mode, menvcfg, senvcfg, allowed) => {
    // Allowed until it is translated, then as it says: what is illegal would never become warm.
    const machine = clearing(mode, CBZE, CBZE);
    machine.translateAfter(1);
    machine.hart.run(1000);
    for (let at = DATA; at < END + 64; at += 8) machine.write64(at, BigInt(at));
    machine.hart.setCsr(CSRS.menvcfg, menvcfg);
    machine.hart.setCsr(CSRS.senvcfg, senvcfg);
    machine.hart.run(1000);
    const cleared = Array.from({ length: 0x1040 / 8 }, (_, n) => machine.read64(DATA + 8 * n));
    expect(cleared).toEqual(cleared.map((_, n) => (allowed && DATA + 8 * n < END ? 0n : BigInt(DATA + 8 * n))));
    expect(machine.hart.pc === BigInt(FUNCTION) + 0x100n || machine.hart.csr(CSRS.mcause) === 2n).toBe(!allowed);
  });
});
