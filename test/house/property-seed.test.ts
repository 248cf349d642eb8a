import fc from 'fast-check';
import { expect, test } from 'vitest';

test.skipIf(process.env.DROVER_PROPERTY_SEED)('properties draw the same examples in every run', () => {
  expect(fc.check(fc.property(fc.nat(), () => true)).seed).toBe(20_261_121);
});
