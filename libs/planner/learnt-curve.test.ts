import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addWatts, learntCurve, type WattsSamples, wattsAt } from './index.js';

const measured = (pairs: Iterable<readonly [utilization: number, watts: number]>): WattsSamples | null => {
  let samples: WattsSamples | null = null;
  for (const [utilization, watts] of pairs) samples = addWatts(samples, utilization, watts);
  return samples;
};
const times = (count: number, utilization: number, watts: number) =>
  Array.from({ length: count }, () => [utilization, watts] as const);

test('it is not told before enough was measured, and over enough utilisation', () => {
  expect(learntCurve(null)).toBeNull();
  expect(learntCurve(measured(times(100, 0.02, 90)))).toBeNull();
  expect(learntCurve(measured([...times(100, 0.02, 90), ...times(4, 0.9, 130)]))).toBeNull();
  expect(learntCurve(measured([...times(100, 0.09, 90), ...times(100, 0.11, 91)]))).toBeNull();
  expect(learntCurve(measured([...times(100, 0.02, 90), ...times(5, 0.9, 130)]))).not.toBeNull();
});

test('a host that draws along a line is learnt from two utilisations, wherever they lie', () => {
  const curve = learntCurve(measured([...times(9, 0.2, 120), ...times(5, 0.6, 160)]))!;
  expect(curve).toHaveLength(11);
  for (const [index, watts] of curve.entries()) expect(watts).toBeCloseTo(100 + 10 * index);
});

test('buckets that fall count by their samples', () => {
  const curve = learntCurve(measured([...times(30, 0.1, 110), ...times(10, 0.5, 90), ...times(10, 0.9, 150)]))!;
  expect(curve[1]).toBeCloseTo(105);
  expect(curve[5]).toBeCloseTo(105);
  expect(curve[9]).toBeCloseTo(150);
});

test('a real curve is found again through noise (ProLiant ML110 G5)', () => {
  const real = [93.7, 97, 101, 105, 110, 116, 121, 125, 129, 133, 135];
  const noise = (index: number) => 8 * Math.sin(index * 12.9898);
  const samples = measured(
    Array.from({ length: 3000 }, (_, index) => {
      const utilization = (index * 0.618034) % 1;
      return [utilization, wattsAt(real, utilization) + noise(index)] as const;
    }),
  );
  for (const [index, watts] of learntCurve(samples)!.entries()) expect(Math.abs(watts - real[index]!)).toBeLessThan(3);
});

test('whatever was measured, it never falls, and is never negative', () => {
  const pair = fc.tuple(fc.double({ min: 0, max: 1.2, noNaN: true }), fc.integer({ min: 0, max: 500 }));
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 200 }), (pairs) => {
      const curve = learntCurve(measured(pairs)) ?? [];
      for (const [index, watts] of curve.entries()) {
        expect(watts).toBeGreaterThanOrEqual(0);
        expect(watts).toBeGreaterThanOrEqual((curve[index - 1] ?? 0) - 1e-9);
      }
    }),
  );
});
