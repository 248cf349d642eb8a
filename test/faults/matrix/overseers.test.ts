/** An agent or the controller is killed in the midst of a migration: the guest goes on, at one place, and can be moved again. */
import { afterAll, beforeAll, test } from 'vitest';
import { nameOf, OVERSEER_CELLS, reasonsAgainst } from '../cells.js';
import { Overseers } from '../overseers.js';
import { noteEnding, report } from '../report.js';

let overseers: Overseers;

beforeAll(async () => {
  overseers = await Overseers.start();
});
afterAll(async () => {
  await overseers?.stop();
  const against = [...reasonsAgainst()].map(([reason, count]) => `${count} combinations are not possible: ${reason}`);
  report('agents and controller', against);
});

test.each(OVERSEER_CELLS.map((cell) => [nameOf(cell), cell] as const))(
  '%s',
  { timeout: 300_000 },
  async (name, cell) => {
    noteEnding(name, await overseers.runCell(cell));
  },
);
