/**
 * Ever new programs on our hart and on QEMU's, until DROVER_SOAK_MINUTES (10) have passed: same traps, registers, memory.
 * A difference names the seed of its program; DROVER_SOAK_SEED is the first one.
 */
import { expect, test } from 'vitest';
import { floatingPoint } from '../conformance/float-programs.js';
import { straightLine, translated } from '../conformance/generated-programs.js';
import { hasQemu, runOnHart, runOnQemu } from '../conformance/program.js';
import { announcedSeed, setting } from './settings.js';

const qemu = hasQemu();
const MINUTES = setting('DROVER_SOAK_MINUTES', 10);
const BLOCKS = 150;

test.skipIf(!qemu)(`generated programs for ${MINUTES} min`, { timeout: (MINUTES + 3) * 60_000 }, () => {
  let seed = announcedSeed('cpu');
  const first = seed;
  for (const end = Date.now() + MINUTES * 60_000; Date.now() < end; seed++) {
    for (const generate of [straightLine, translated, floatingPoint]) {
      const program = generate(seed, BLOCKS);
      expect(runOnHart(program), `${generate.name} of seed ${seed}`).toEqual(runOnQemu(program));
    }
  }
  console.log(`cpu: ${3 * (seed - first)} programs did the same`);
});
