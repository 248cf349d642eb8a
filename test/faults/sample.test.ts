/** A few cells of the matrix, one of each kind; `npm run test:faults` runs all of them. */
import { expect, test } from 'vitest';
import { ENGINE_CELLS, isSample, nameOf, OVERSEER_CELLS, reasonsAgainst } from './cells.js';
import { testEngineCells } from './engine-tests.js';

testEngineCells(ENGINE_CELLS.filter(isSample));

test('each combination is there once, or there is a reason why not', () => {
  const names = [...ENGINE_CELLS, ...OVERSEER_CELLS].map(nameOf);
  expect(new Set(names).size).toBe(names.length);
  expect(ENGINE_CELLS.filter(isSample)).toHaveLength(3);
  for (const [reason, count] of reasonsAgainst()) expect(count, reason).toBeGreaterThan(0);
});
