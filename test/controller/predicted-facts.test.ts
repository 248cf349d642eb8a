/** What the planner is told of moves to come. */
import { expect, test } from 'vitest';
import { Convergence, MigrationPrediction } from '#contracts';
import type { MigrationPolicy } from '#database';
import { UNWATCHED_VM, type VmFacts } from '#planner';
import { predictionOf } from '../../apps/controller/migrations/predicted-facts.js';
import { samplesOf } from '../../apps/controller/migrations/samples.js';

const MIB = 2 ** 20;
const NOW = new Date('2026-01-01T12:00:00Z');
const policy = (convergence: object): MigrationPolicy =>
  ({ bandwidthMiBps: null, downtimeLimitMs: 300, convergence: Convergence.parse(convergence) }) as MigrationPolicy;

const vm = (dirtyRateMiBps: number): VmFacts => ({
  ...UNWATCHED_VM,
  id: 'a',
  name: 'a',
  hostId: 'h',
  cpuUsedCores: 1,
  vcpus: 2,
  memoryMiB: 1024,
  memoryUsedMiB: 512,
  dirtyRateMiBps,
});

const sampled = (means: string[]) =>
  MigrationPrediction.parse({
    ...{ at: NOW.toISOString(), migrationPolicyId: '00000000-0000-4000-8000-000000000000', usedMiB: 512 },
    ...{ dirtyRateMiBps: 0, bandwidthMiBps: 100, bandwidthFrom: 'measured', totalMs: null, downtimeMs: null },
    ...{ transferredMiB: null, means: [], reason: '', atHand: means.map((each) => ({ means: each, inFlight: true })) },
  });

test('a guest at rest takes its memory over the link', () => {
  const { prediction, whyEndless } = predictionOf(vm(0), null, policy({ means: [] }), 100, NOW);
  expect(whyEndless).toBeUndefined();
  expect(prediction!.bytes).toBeCloseTo(512 * MIB, -6);
  expect(prediction!.durationMs).toBeCloseTo(5120, -2);
  expect(prediction!.slowdown).toBe(0);
});

test('one that writes more than the link takes is held back as its policy allows, and that is counted', () => {
  const allowed = policy({ means: [{ means: 'throttle', maximumPercent: 99 }], deadlineSeconds: 600 });
  const { prediction, whyEndless } = predictionOf(vm(200), sampled(['throttle']), allowed, 100, NOW);
  expect(whyEndless).toBeUndefined();
  expect(prediction!.slowdown).toBeGreaterThan(0.5);
});

test('where nothing that is allowed would end it, that is said; where nobody has looked at it, nothing is', () => {
  const nothing = policy({ means: [] });
  expect(predictionOf(vm(200), sampled(['throttle']), nothing, 100, NOW)).toMatchObject({
    prediction: null,
    whyEndless: expect.stringMatching(/./),
  });
  expect(predictionOf(vm(200), null, nothing, 100, NOW)).toEqual({ prediction: null });
});

test('what was sampled counts for an hour; what could be done about the guest counts on', () => {
  const allowed = policy({ means: [{ means: 'xbzrle', cacheMiB: 1024 }], deadlineSeconds: 600 });
  const prediction = { ...sampled(['xbzrle']), compressedShare: 0.9, deltaShare: 0.9 };
  const durationAfter = (minutes: number) => {
    const now = new Date(NOW.getTime() + minutes * 60_000);
    return predictionOf(vm(105), prediction, allowed, 100, now).prediction!.durationMs;
  };
  expect(samplesOf(prediction, new Date(NOW.getTime() + 60 * 60_000))).toEqual({
    compressedShare: 0.9,
    deltaShare: 0.9,
  });
  expect(samplesOf(prediction, new Date(NOW.getTime() + 61 * 60_000))).toEqual({
    compressedShare: null,
    deltaShare: null,
  });
  expect(durationAfter(61)).toBeLessThan(durationAfter(60)); // a delta is taken for smaller than it was sampled
});
