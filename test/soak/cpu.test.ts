/**
 * Ever new programs on our hart and on QEMU's, until DROVER_SOAK_MINUTES (10) have passed: same traps, registers, memory.
 * A difference names the seed of its program; DROVER_SOAK_SEED is the first one.
 */
import { test } from 'vitest';
import { expectSame } from '../conformance/compare.js';
import { GENERATORS } from '../conformance/generators.js';
import { hasQemu } from '../conformance/program.js';
import { announcedSeed, setting } from './settings.js';

const qemu = hasQemu();
const MINUTES = setting('DROVER_SOAK_MINUTES', 10);
const BLOCKS = 150;
/** To make a difference small. */
const SHRINK_MINUTES = 10;

test.skipIf(!qemu)(`generated programs for ${MINUTES} min`, { timeout: (MINUTES + SHRINK_MINUTES) * 60_000 }, () => {
  let seed = announcedSeed('cpu');
  const first = seed;
  for (const end = Date.now() + MINUTES * 60_000; Date.now() < end; seed++) {
    for (const [name, generate] of Object.entries(GENERATORS)) {
      expectSame(generate(seed, BLOCKS), `${name}, seed ${seed}`);
    }
  }
  console.log(`cpu: ${Object.keys(GENERATORS).length * (seed - first)} programs did the same`);
});
