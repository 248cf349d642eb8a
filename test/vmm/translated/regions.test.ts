/** Regions of random code, translated at once and called as the run loop calls them, against the interpreter. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { EXPANSIONS, HARTS, H_INSTRET, RAM, RAM_BASE } from '../../../libs/vmm/layout.js';
import { EXIT_INTERPRET } from '../../../libs/vmm/cpu/translation-area.js';
import { PAGE_BYTES, formRegion } from '../../../libs/vmm/translator/region.js';
import { translate } from '../../../libs/vmm/translator/translate.js';
import { Random } from '../../random.js';
import { CODE, randomProgram } from './random-code.js';
import { TestMachine, newMemory } from '../machine.js';
import { randomFloatProgram } from './random-float-code.js';

type TranslatedFunction = (hart: number, left: number, pc: bigint, context: bigint) => number;

const MACHINE_MODE = 3n;

/** A hart whose code is translated before it is executed for the first time. */
class TranslatedHart {
  readonly machine: TestMachine;
  /** Instructions executed in translated code. */
  translated = 0;
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

test('code that cannot be translated is left to the interpreter', () => {
  const one = new TranslatedHart(400);
  one.machine.load([0x0000_0073, 0xffff_ffff], CODE); // ECALL, illegal
  one.machine.hart.pc = BigInt(CODE);
  one.run(1, () => 10);
  expect(one.translated).toBe(0);
});
