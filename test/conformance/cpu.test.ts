/** Generated programs do the same, bit for bit, on our hart and on QEMU's virt board. */
import { expect, it } from 'vitest';
import { floatingPoint } from './float-programs.js';
import { straightLine, translated } from './generated-programs.js';
import { hasQemu, runOnHart, runOnQemu } from './program.js';

const qemu = hasQemu();

for (const seed of [1, 2, 3, 4]) {
  it.skipIf(!qemu)(`straight-line code with all instructions, seed ${seed}`, { timeout: 120_000 }, () => {
    const program = straightLine(seed, 150);
    expect(runOnHart(program)).toEqual(runOnQemu(program));
  });
  it.skipIf(!qemu)(`loads and stores through Sv39, seed ${seed}`, { timeout: 120_000 }, () => {
    const program = translated(seed, 150);
    expect(runOnHart(program)).toEqual(runOnQemu(program));
  });
  it.skipIf(!qemu)(`floating point, seed ${seed}`, { timeout: 120_000 }, () => {
    const program = floatingPoint(seed, 150);
    expect(runOnHart(program)).toEqual(runOnQemu(program));
  });
}
