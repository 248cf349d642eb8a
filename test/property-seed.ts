/**
 * Run before each test file: properties draw the same examples in every `npm test`, so that it fails for what was changed
 * and not by chance. The soak draws new ones each time; DROVER_PROPERTY_SEED repeats a run of either.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

const FIXED_SEED = 20_261_121;

const { testPath } = expect.getState();
// Most files have no properties and need not wait for the library.
if (testPath && readFileSync(testPath, 'utf8').includes("'fast-check'")) {
  const fc = await import('fast-check');
  const given =
    process.env.DROVER_PROPERTY_SEED ?? (process.env.DROVER_SOAK === '1' ? Date.now() % 2 ** 31 : FIXED_SEED);
  const seed = Number(given);
  if (!Number.isSafeInteger(seed)) throw new Error(`DROVER_PROPERTY_SEED=${given}: give a whole number`);
  fc.configureGlobal({ seed });
}
