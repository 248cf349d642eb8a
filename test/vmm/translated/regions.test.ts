/** Regions of random code, translated at once and called as the run loop calls them, against the interpreter. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { EXPANSIONS, HARTS, H_INSTRET, RAM, RAM_BASE } from '../../../libs/vmm/layout.js';
import { EXIT_INTERPRET } from '../../../libs/vmm/cpu/translation-area.js';
import { PAGE_BYTES, formRegion } from '../../../libs/vmm/translator/region.js';
import { translate } from '../../../libs/vmm/translator/translate.js';
import { Random } from '../../random.js';
import { REGISTER_OPERATIONS, SHIFTS, UNARY_OPERATIONS, b, i, jal, r, s, shift, unary } from '../assembler.js';
import { CODE, randomProgram } from './random-code.js';
import { TestMachine, newMemory } from '../machine.js';
import { randomFloatProgram } from './random-float-code.js';

type TranslatedFunction = (hart: number, left: number, pc: bigint, context: bigint) => number;

const MACHINE_MODE = 3n;
const keys = <T extends object>(table: T) => Object.keys(table) as (keyof T)[];

/** A hart whose code is translated before it is executed for the first time. */
class TranslatedHart {
  readonly machine: TestMachine;
  /** Instructions executed in translated code. */
  translated = 0;
  /** How often it was entered. */
  entered = 0;
  private readonly view: DataView;
  private readonly functions = new Map<bigint, TranslatedFunction | undefined>();

  constructor(readonly maxInstructions: number) {
    this.machine = new TestMachine();
    this.view = new DataView(this.machine.memory.buffer);
  }

  /** Executes about `count` instructions; how many it were. */
  run(count: number, budget: () => number): number {
    let executed = 0;
    while (executed < count) executed += this.enter(Math.min(budget(), count - executed)) || this.interpret();
    return executed;
  }

  private interpret(): number {
    this.machine.hart.run(1);
    return 1;
  }

  private enter(budget: number): number {
    const { hart } = this.machine;
    const code = this.functionAt(hart.pc);
    if (!code) return 0;
    const result = code(HARTS, budget, hart.pc, MACHINE_MODE);
    const executed = budget - (result >> 1);
    this.entered++;
    this.translated += executed;
    this.view.setBigUint64(HARTS + H_INSTRET, hart.instret + BigInt(executed), true);
    return executed + ((result & 1) === EXIT_INTERPRET ? this.interpret() : 0);
  }

  private functionAt(pc: bigint): TranslatedFunction | undefined {
    if (!this.functions.has(pc)) this.functions.set(pc, this.translate(pc));
    return this.functions.get(pc);
  }

  private translate(pc: bigint): TranslatedFunction | undefined {
    const { memory } = this.machine;
    const entry = Number(pc) % PAGE_BYTES;
    const bytes = new DataView(memory.buffer, RAM + Number(pc) - RAM_BASE - entry, PAGE_BYTES);
    const page = { bytes, expansions: new Uint32Array(memory.buffer, EXPANSIONS, 0x1_0000) };
    const region = formRegion(page, entry, this.maxInstructions);
    if (!region) return undefined;
    const module = new WebAssembly.Module(translate([region]));
    return new WebAssembly.Instance(module, { env: { memory } }).exports['0'] as TranslatedFunction;
  }
}

function stateOf({ hart, memory }: TestMachine) {
  return {
    ...hart.save(),
    ram: createHash('sha256')
      .update(new Uint8Array(memory.buffer, RAM, 0x1_4000))
      .digest('hex'),
  };
}

test.each([
  ['integer code', randomProgram],
  ['floating point', randomFloatProgram],
])('translated regions do what the interpreter does, up to the instruction: %s', (_what, generate) => {
  let translated = 0;
  let executed = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const program = generate(random);
    const one = new TranslatedHart(random.pick([3, 20, 400]));
    const other = new TestMachine({ memory: newMemory(2) });
    for (const machine of [one.machine, other]) program.load(machine);
    for (let round = 0; round < 8; round++) {
      const count = one.run(random.below(300) + 1, () => random.below(200) + 1);
      other.hart.run(count);
      expect(stateOf(one.machine), `seed ${seed}, round ${round}`).toEqual(stateOf(other));
      executed += count;
    }
    translated += one.translated;
  }
  expect(translated).toBeGreaterThan(executed / 3);
});

test('all of the B extension is translated', () => {
  const one = new TranslatedHart(400);
  const code = [
    ...keys(REGISTER_OPERATIONS).map((name) => r(name, 7, 8, 9)),
    ...keys(UNARY_OPERATIONS).map((name) => unary(name, 7, 8)),
    ...keys(SHIFTS).map((name) => shift(name, 7, 8, 5)),
  ];
  one.machine.load(code, CODE);
  one.machine.hart.pc = BigInt(CODE);
  one.run(code.length, () => code.length);
  expect(one.translated).toBe(code.length);
});

test('calls within the page and back stay in the region, also when a function calls itself', () => {
  const one = new TranslatedHart(400);
  const [ra, sp, n, sum] = [1, 2, 10, 11] as const;
  // sum += n for n, n - 1, ... 1, each added when the call for the next has returned.
  const recursive = [
    b('beq', n, 0, 40), // to the return
    i('addi', sp, sp, -16),
    s('sd', ra, sp, 0),
    s('sd', n, sp, 8),
    i('addi', n, n, -1),
    jal(ra, -20),
    i('ld', n, sp, 8),
    i('ld', ra, sp, 0),
    i('addi', sp, sp, 16),
    r('add', sum, sum, n),
    i('jalr', 0, ra, 0),
  ];
  one.machine.load([jal(ra, 12), jal(ra, 8), jal(0, 0), ...recursive], CODE);
  const { hart } = one.machine;
  for (const round of [1, 2]) {
    hart.setX(n, 20n);
    hart.setX(sp, BigInt(CODE) + 0x8000n);
    hart.pc = BigInt(CODE);
    one.entered = 0;
    one.run(600, () => 600);
    expect(hart.x(sum)).toBe(BigInt(round * 2 * 210));
  }
  expect(one.entered).toBe(1); // in the second round no access misses the TLB
});

test('code that cannot be translated is left to the interpreter', () => {
  const one = new TranslatedHart(400);
  one.machine.load([0x0000_0073, 0xffff_ffff], CODE); // ECALL, illegal
  one.machine.hart.pc = BigInt(CODE);
  one.run(1, () => 10);
  expect(one.translated).toBe(0);
});
