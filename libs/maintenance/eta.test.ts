import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type LeavingVm, secondsToEmpty } from './index.js';

const waits = (more: Partial<LeavingVm> = {}): LeavingVm => ({
  ...{ remainingMiB: 1000, dirtyRateMiBps: 0, bandwidthMiBps: null, expectedSeconds: 20 },
  ...more,
});
const moves = (more: Partial<LeavingVm> = {}) => waits({ bandwidthMiBps: 100, ...more });

test.each<[string, LeavingVm[], number | null]>([
  ['nobody is left', [], 0],
  ['before anything was measured, the predictions add up', [waits(), waits()], 40],
  ['and one that cannot be told leaves all untold', [waits(), waits({ expectedSeconds: null })], null],
  ['one on its way needs what is left, by its own bandwidth', [moves({ remainingMiB: 300 })], 3],
  ['what it writes meanwhile is sent again', [moves({ remainingMiB: 300, dirtyRateMiBps: 40 })], 5],
  ['one that writes faster than it is sent: as was predicted', [moves({ dirtyRateMiBps: 100 })], 20],
  ['or nobody knows', [moves({ dirtyRateMiBps: 100, expectedSeconds: null })], null],
  ['those that wait are sent by the bandwidth that was measured, not the one predicted', [moves(), waits()], 20],
  ['two that move share the link, and so do those after them', [moves(), moves(), waits(), waits()], 20],
  ['it is never sooner than the slowest that moves', [moves(), moves({ bandwidthMiBps: 10 })], 100],
])('%s', (_, vms, seconds) => {
  expect(secondsToEmpty(vms)).toBe(seconds);
});

test('it falls as memory is sent, and rises with each VM that has to leave', () => {
  const vm = fc.record({
    remainingMiB: fc.integer({ min: 1, max: 10_000 }),
    dirtyRateMiBps: fc.integer({ min: 0, max: 50 }),
    bandwidthMiBps: fc.constantFrom(null, 60, 200),
    expectedSeconds: fc.integer({ min: 1, max: 100 }),
  });
  fc.assert(
    fc.property(fc.array(vm, { minLength: 1, maxLength: 6 }), vm, (vms, another) => {
      const before = secondsToEmpty(vms)!;
      const later = vms.map((each) => ({ ...each, remainingMiB: each.remainingMiB / 2 }));
      expect(secondsToEmpty(later)!).toBeLessThanOrEqual(before);
      expect(secondsToEmpty([...vms, { ...another, bandwidthMiBps: null }])!).toBeGreaterThanOrEqual(before);
    }),
  );
});
