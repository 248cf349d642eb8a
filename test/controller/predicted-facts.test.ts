/** What the planner is told of moves to come. */
import { expect, test } from 'vitest';
import { Convergence, MigrationPrediction } from '#contracts';
import type { MigrationPolicy } from '#database';
import { UNWATCHED_VM, type VmFacts } from '#planner';
import { predictionOf } from '../../apps/controller/migrations/predicted-facts.js';

const MIB = 2 ** 20;
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
    ...{ at: new Date(0).toISOString(), migrationPolicyId: '00000000-0000-4000-8000-000000000000', usedMiB: 512 },
    ...{ dirtyRateMiBps: 0, bandwidthMiBps: 100, bandwidthFrom: 'measured', totalMs: null, downtimeMs: null },
    ...{ transferredMiB: null, means: [], reason: '', atHand: means.map((each) => ({ means: each, inFlight: true })) },
  });

test('a guest at rest takes its memory over the link', () => {
  const { prediction, whyEndless } = predictionOf(vm(0), null, policy({ means: [] }), 100);
  expect(whyEndless).toBeUndefined();
  expect(prediction!.bytes).toBeCloseTo(512 * MIB, -6);
  expect(prediction!.durationMs).toBeCloseTo(5120, -2);
  expect(prediction!.slowdown).toBe(0);
});

test('one that writes more than the link takes is held back as its policy allows, and that is counted', () => {
  const allowed = policy({ means: [{ means: 'throttle', maximumPercent: 99 }], deadlineSeconds: 600 });
  const { prediction, whyEndless } = predictionOf(vm(200), sampled(['throttle']), allowed, 100);
  expect(whyEndless).toBeUndefined();
  expect(prediction!.slowdown).toBeGreaterThan(0.5);
});

test('where nothing that is allowed would end it, that is said; where nobody has looked at it, nothing is', () => {
  const nothing = policy({ means: [] });
  expect(predictionOf(vm(200), sampled(['throttle']), nothing, 100)).toMatchObject({
    prediction: null,
    whyEndless: expect.stringMatching(/./),
  });
  expect(predictionOf(vm(200), null, nothing, 100)).toEqual({ prediction: null });
});
