// oxlint-disable vitest/no-standalone-expect, vitest/require-hook -- the tests of several files
import { afterAll, expect, test } from 'vitest';
import { ENGINE_CELLS, nameOf, type Cell, type EngineFault, type Means } from './cells.js';
import { runEngineCell } from './engine-cell.js';
import { noteEnding, report } from './report.js';

/** A guest may be lost with a process that had it alone. */
function mayBeLost({ fault, moment }: Cell<EngineFault>): boolean {
  if (fault.kind !== 'kill') return false;
  return fault.victim === 'source' || ['commit', 'postcopy', 'recovery'].includes(moment);
}

/**
 * Faults in the midst of migrations between two VMMs: one of them is killed, or a connection fails in one of four ways. There
 * are never two running copies, there is one in the end or it is said to be lost, its checker finds nothing wrong, both ends
 * say how it ended, nothing of the attempt is left, and the next one brings the guest on.
 */
export function testEngineCells(cells: readonly Cell<EngineFault>[]): void {
  test.each(cells.map((cell) => [nameOf(cell), cell] as const))('%s', { timeout: 240_000 }, async (name, cell) => {
    const { guest, source, destination } = await runEngineCell(cell);
    noteEnding(name, `the guest is ${guest}; source: ${source}, destination: ${destination}`);
    if (!mayBeLost(cell)) expect(guest).not.toBe('lost');
  });
}

/** All cells of one means. */
export function testWholeMatrix(means: Means): void {
  afterAll(() => report(`${means}, between two VMMs`));
  testEngineCells(ENGINE_CELLS.filter((cell) => cell.means === means));
}
