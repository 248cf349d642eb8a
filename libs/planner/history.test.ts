import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type LoadHistory, observe } from './index.js';

const MINUTE_MS = 60_000;
const watch = (loads: readonly number[], everyMs: number) =>
  loads.reduce<LoadHistory | null>((history, load) => observe(history, load, everyMs), null)!;

test('of steady load it says that it is steady', () => {
  expect(
    watch(
      Array.from({ length: 100 }, () => 2),
      MINUTE_MS,
    ),
  ).toEqual({
    observedMs: 100 * MINUTE_MS,
    meanCores: 2,
    standardDeviationCores: 0,
    recentMeanCores: 2,
    recentMaxCores: 2,
  });
});

test('mean and deviation are those of the measurements while they are few', () => {
  const history = watch([1, 3, 1, 3], MINUTE_MS);
  expect(history.meanCores).toBeCloseTo(2, 9);
  expect(history.standardDeviationCores).toBeCloseTo(1, 9);
});

test('what is recent follows within the hour, the mean takes longer', () => {
  const history = watch([...Array.from({ length: 600 }, () => 1), ...Array.from({ length: 60 }, () => 3)], MINUTE_MS);
  expect(history.recentMeanCores).toBeGreaterThan(2.8);
  expect(history.meanCores).toBeLessThan(2);
  expect(history.recentMaxCores).toBe(3);
});

test('lies within the measurements, however they come', () => {
  const loads = fc.array(fc.double({ min: 0, max: 64, noNaN: true }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(loads, fc.integer({ min: 1, max: 10 * 3_600_000 }), (some, everyMs) => {
      const { meanCores, recentMeanCores, recentMaxCores, standardDeviationCores } = watch(some, everyMs);
      for (const figure of [meanCores, recentMeanCores, recentMaxCores]) {
        expect(figure).toBeGreaterThanOrEqual(Math.min(...some) - 1e-9);
        expect(figure).toBeLessThanOrEqual(Math.max(...some) + 1e-9);
      }
      expect(standardDeviationCores).toBeLessThanOrEqual(Math.max(...some) - Math.min(...some) + 1e-9);
    }),
  );
});
