/** Generated programs do the same, bit for bit, on our hart and on QEMU's virt board. */
import { describe, it } from 'vitest';
import { expectSame } from './compare.js';
import { GENERATORS } from './generators.js';
import { hasQemu } from './program.js';

const qemu = hasQemu();
const BLOCKS = 150;

describe.skipIf(!qemu).each(Object.entries(GENERATORS))('%s', (name, generate) => {
  it.each([1, 2, 3, 4])('seed %i', { timeout: 600_000 }, (seed) => {
    expectSame(generate(seed, BLOCKS), `${name}, seed ${seed}`);
  });
});
