/** Garbage in registers and rings, until DROVER_SOAK_MINUTES (10) have passed. A failure names its seed. */
import { expect, test } from 'vitest';
import { writeGarbage } from '../vmm/garbage.js';
import { announcedSeed, setting } from './settings.js';

const MINUTES = setting('DROVER_SOAK_MINUTES', 10);

test(`garbage for ${MINUTES} min`, { timeout: (MINUTES + 3) * 60_000 }, async () => {
  let seed = announcedSeed('garbage');
  const first = seed;
  for (const end = Date.now() + MINUTES * 60_000; Date.now() < end; seed++) {
    await expect(writeGarbage(seed, 3000), `seed ${seed}`).resolves.toBeUndefined();
  }
  console.log(`garbage: ${seed - first} guests did no harm`);
});
