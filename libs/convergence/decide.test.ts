import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Convergence, type ConvergenceFacts, Means } from '#contracts';
import { type Outcome, policyOf, simulate, type World } from './migration.fixture.js';
import { decide, PRESETS } from './index.js';

const steady = (rate: number) => () => rate;
const GENTLE = policyOf([{ means: 'downtime_limit' }, { means: 'throttle' }], { deadlineSeconds: 60 });
/** 1 GiB of memory, 100 MiB/s of link: a first pass takes ten seconds. */
const world = (change: Partial<World>): World => ({
  memoryMiB: 1024,
  writes: steady(0),
  carries: steady(100),
  policy: GENTLE,
  ...change,
});
const WITH_POSTCOPY = policyOf([{ means: 'downtime_limit' }, { means: 'throttle' }, { means: 'post_copy' }], {
  deadlineSeconds: 60,
});
const taken = ({ decisions }: Outcome) => decisions.map(({ means, value }) => [means, value]);

describe('decide, on a guest that', () => {
  test('converges: does nothing', () => {
    const { decisions, endedMs } = simulate(world({ writes: steady(30) }));
    expect(decisions).toEqual([]);
    expect(endedMs).toBeLessThan(20_000);
  });

  test('writes twice what the link carries: throttles it once, by what it takes and no more', () => {
    const outcome = simulate(world({ writes: steady(200) }));
    expect(taken(outcome)).toEqual([['throttle', expect.any(Number)]]);
    const { value, reason, figures } = outcome.decisions[0]!;
    expect(value).toBeGreaterThanOrEqual(60);
    expect(value).toBeLessThan(90);
    expect(outcome.endedMs).toBeLessThan(60_000);
    expect(reason).toMatch(/writes 200\.0 MiB\/s, the link carries \d+\.\d MiB\/s.*would not end.*throttled by/);
    expect(figures.candidates.find(({ means }) => means === 'downtime_limit')).toMatchObject({
      verdict: 'would not end it',
    });
  });

  test('would lose most of its time to a throttle, and runs ahead of its memory instead', () => {
    const outcome = simulate(world({ writes: steady(200), policy: WITH_POSTCOPY }));
    expect(taken(outcome)).toEqual([['post_copy', null]]);
    const { reason, figures } = outcome.decisions[0]!;
    expect(reason).toMatch(/post-copy: expected to end in about .* of the guest's time lost/);
    const throttle = figures.candidates.find(({ means }) => means === 'throttle')!;
    const postcopy = figures.candidates.find(({ means }) => means === 'post_copy')!;
    expect(throttle.verdict).toBe('would cost the guest more');
    expect(postcopy.lostMs).toBeLessThan(throttle.lostMs!);
  });

  test('needs a little throttling only: gets that, though post-copy were sooner over', () => {
    const outcome = simulate(world({ writes: steady(99), policy: WITH_POSTCOPY }));
    expect(taken(outcome)).toEqual([['throttle', expect.any(Number)]]);
    expect(outcome.decisions[0]!.value).toBeLessThan(50);
  });

  test('needs only a little more pause: gets that, and stays unslowed', () => {
    const outcome = simulate(world({ writes: steady(5000), hotMiB: 80 }));
    expect(taken(outcome)).toEqual([['downtime_limit', 1000]]);
    expect(outcome.downtimeMs).toBeLessThanOrEqual(1000);
  });

  test('cannot be throttled enough: post-copy', () => {
    const policy = policyOf([{ means: 'throttle', maximumPercent: 50 }, { means: 'post_copy' }], {
      deadlineSeconds: 60,
    });
    const outcome = simulate(world({ writes: steady(400), policy }));
    expect(outcome.decisions.at(-1)!.means).toBe('post_copy');
    expect(outcome.endedMs).toBeLessThan(60_000);
  });

  test('could be compressed: tries what costs it nothing first', () => {
    const policy = policyOf([{ means: 'throttle' }, { means: 'compression' }], { deadlineSeconds: 60 });
    expect(taken(simulate(world({ writes: steady(120), policy })))).toEqual([['compression', 2]]);
    const useless = simulate(world({ writes: steady(120), policy, useless: ['compression'] }));
    expect(useless.decisions.map(({ means }) => means).slice(0, 2)).toEqual(['compression', 'throttle']);
  });

  test.each([
    ['compresses well', { compressedShare: 0.1, deltaShare: 0.9 }, 'compression'],
    ['changes little of each page', { compressedShare: 0.95, deltaShare: 0.1 }, 'xbzrle'],
    ['does neither', { compressedShare: 0.95, deltaShare: 0.95 }, 'throttle'],
  ])('has been sampled, and %s: that is what decides', (_, shares, means) => {
    const policy = policyOf([{ means: 'compression' }, { means: 'xbzrle' }, { means: 'throttle' }], {
      deadlineSeconds: 60,
    });
    const outcome = simulate(world({ writes: steady(150), hotMiB: 32, policy, ...shares }));
    expect(outcome.decisions[0]!.means).toBe(means);
    expect(outcome.endedMs).toBeLessThan(60_000);
  });

  test('swings like a saw-tooth is not taken for one that has calmed down', () => {
    const writes = (atMs: number) => (atMs % 12_000 < 8000 ? 300 : 20);
    const outcome = simulate(world({ writes, policy: policyOf([{ means: 'post_copy' }], { deadlineSeconds: 60 }) }));
    expect(outcome.endedMs).toBeLessThan(60_000);
  });

  test('never gets past its first pass: the clock decides', () => {
    const policy = policyOf([{ means: 'downtime_limit' }, { means: 'post_copy' }], { deadlineSeconds: 300 });
    const outcome = simulate(world({ memoryMiB: 20_000, writes: steady(90), policy }));
    expect(outcome.decisions[0]).toMatchObject({ means: 'post_copy', pass: 0 });
    expect(outcome.endedMs).toBeLessThan(300_000 + 20_000);
  });

  test('has never touched most of its memory, is not hurried by that', () => {
    const policy = policyOf([{ means: 'post_copy' }], { deadlineSeconds: 60 });
    const lean = { memoryMiB: 1000, writes: steady(30), policy };
    expect(simulate(world({ ...lean, memoryMiB: 5500 })).decisions.length).toBe(1);
    expect(simulate(world({ ...lean, memoryMiB: 5500, usedMiB: 1000 })).decisions).toEqual([]);
  });

  test('is on a link that stops now and then: no post-copy while that is so', () => {
    const carries = (atMs: number) => (atMs % 10_000 < 3000 ? 0 : 100);
    const policy = policyOf([{ means: 'post_copy' }, { means: 'suspend' }], { deadlineSeconds: 60 });
    const outcome = simulate(world({ writes: steady(400), carries, policy }));
    expect(outcome.decisions.map(({ means }) => means)).toEqual(['suspend']);
    const told = outcome.decisions[0]!.figures.candidates.find(({ means }) => means === 'post_copy');
    expect(told!.verdict).toMatch(/the link was silent for \d+ ms/);
  });

  test('has a process that cannot change a means in flight: it is begun again with it, or another is taken', () => {
    const policy = policyOf([{ means: 'compression' }, { means: 'post_copy' }], { deadlineSeconds: 120 });
    const restarted = simulate(world({ writes: steady(130), policy, frozen: ['compression'] }));
    expect(restarted.decisions[0]).toMatchObject({ means: 'compression', restarted: true });
    const without = simulate(world({ writes: steady(130), policy, has: ['post_copy'] }));
    expect(taken(without)).toEqual([['post_copy', null]]);
    expect(without.decisions[0]!.figures.candidates[0]).toMatchObject({
      verdict: "the VM's process has no such means",
    });
  });

  test('may not stand still for long is not suspended for longer', () => {
    const policy = policyOf([{ means: 'suspend', maximumMs: 2000 }], { deadlineSeconds: 30 });
    const { decisions, endedMs } = simulate(world({ writes: steady(400), policy }));
    expect(decisions).toEqual([]);
    expect(endedMs).toBeNull();
  });
});

describe('what is known of the link', () => {
  const MIB = 2 ** 20;
  const policy = policyOf([{ means: 'throttle' }, { means: 'suspend' }], { deadlineSeconds: 100 });
  /** 64 MiB of memory on a link of 16 MiB/s; the guest writes 8 MiB again and again. */
  const facts = (change: Partial<ConvergenceFacts>): ConvergenceFacts => ({
    ...{ startedAtMs: 0, phase: 'precopy', totalBytes: 64 * MIB, remainingBytes: 8 * MIB, downtimeLimitMs: 50 },
    ...{ bandwidthMiBps: 16, vcpus: 1, passes: [], passStartedAtMs: 1000, samples: [] },
    ...{ dirtyBytesPerMs: (32 * MIB) / 1000, compressedShare: null, deltaShare: null, decisions: [] },
    atHand: Means.options.map((means) => ({ means, inFlight: true })),
    ...change,
  });
  const pass = { number: 1, contentBytes: 12 * MIB, bytes: 12 * MIB, durationMs: 750, dirtyBytes: 8 * MIB };

  test('a few bytes of a connection that is just being set up are no bandwidth to be alarmed by', () => {
    const samples = [
      { atMs: 1000, bytes: 500 },
      { atMs: 1300, bytes: 900 },
    ];
    const { action, reason } = decide(facts({ remainingBytes: 60 * MIB, samples }), policy, 1350);
    expect({ action, reason }).toEqual({ action: 'wait', reason: 'it has only just begun' });
  });

  test('a link that stops for a moment is not one that hardly carries anything', () => {
    const samples = [0, 250, 500, 750].map((atMs) => ({ atMs: 1000 + atMs, bytes: atMs * 16 * (MIB / 1000) }));
    const stalled = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => ({ atMs: 1750 + n * 250, bytes: 12 * MIB + n }));
    const now = facts({ passes: [pass], passStartedAtMs: 1750, samples: [...samples, ...stalled] });
    const { step, figures } = decide(now, policy, 4300);
    expect(step).toMatchObject({ means: 'throttle' });
    expect(figures.bandwidthMiBps).toBeGreaterThan(1);
  });

  test('a link that carries next to nothing for long is known for it', () => {
    const samples = Array.from({ length: 60 }, (_, n) => ({ atMs: 1000 + n * 250, bytes: n * 1000 }));
    const { step, figures } = decide(facts({ passes: [pass], samples }), policy, 16_000);
    expect(step).toMatchObject({ means: 'suspend' });
    expect(figures.bandwidthMiBps).toBeCloseTo(4000 / MIB, 5);
  });
});

test('a guest that writes 8 MiB again and again as fast as it can is throttled first, not stopped', () => {
  const policy = policyOf([{ means: 'throttle' }, { means: 'suspend' }], { deadlineSeconds: 100 });
  const busy = { memoryMiB: 64, writes: steady(5000), hotMiB: 8, carries: steady(16), downtimeLimitMs: 50, policy };
  const { decisions, endedMs } = simulate(world(busy));
  expect(decisions[0]).toMatchObject({ means: 'throttle' });
  expect(endedMs).toBeLessThan(100_000);
});

describe('an ordered policy', () => {
  test('goes through its list, step by step, and by oVirt as oVirt does', () => {
    const { convergence } = PRESETS.find(({ name }) => name === 'post_copy')!;
    const outcome = simulate(world({ writes: steady(5000), hotMiB: 512, policy: convergence, downtimeLimitMs: 100 }));
    expect(taken(outcome)).toEqual([
      ...[150, 200, 300, 400, 500].map((ms) => ['downtime_limit', ms]),
      ['post_copy', null],
    ]);
  });

  test('tries a means that did not help once more at its maximum, and never again', () => {
    const policy = policyOf([{ means: 'throttle' }, { means: 'post_copy' }], { mode: 'ordered', deadlineSeconds: 120 });
    const outcome = simulate(world({ writes: steady(200), policy, useless: ['throttle'] }));
    expect(taken(outcome)).toEqual([
      ['throttle', 20],
      ['throttle', 99],
      ['post_copy', null],
    ]);
  });
});

test('every preset is a valid policy, and all means at most once', () => {
  for (const { convergence } of PRESETS) expect(Convergence.parse(convergence)).toEqual(convergence);
});

describe('always', () => {
  const rates = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 12 });
  const traceOf = (values: readonly number[]) => (atMs: number) => values[Math.floor(atMs / 3000) % values.length]!;
  const allMeans = fc.subarray([...Means.options]).map((means) => means.map((each) => ({ means: each })));
  const modes = fc.constantFrom('ordered' as const, 'predictive' as const);

  test('ends by the deadline, but for what the guest writes between two looks, if the link can carry its memory twice until then', () => {
    const certain = fc.constantFrom('post_copy' as const, 'suspend' as const);
    fc.assert(
      fc.property(
        rates,
        allMeans,
        certain,
        modes,
        fc.integer({ min: 30, max: 90 }),
        (values, means, sure, mode, seconds) => {
          const rest = means.filter((each) => each.means !== sure);
          const policy = policyOf([...rest, { means: sure }], { mode, deadlineSeconds: seconds });
          const outcome = simulate(world({ memoryMiB: 1000, writes: traceOf(values), policy }));
          expect(outcome.endedMs).not.toBeNull();
          const unseenMs = Math.min(1000, Math.max(...values)) * 10; // written in one second, at 100 MiB/s
          expect(outcome.endedMs).toBeLessThanOrEqual(seconds * 1000 + unseenMs);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('no step is repeated, none that did not help is tried but at its maximum, and none is milder than the last', () => {
    fc.assert(
      fc.property(rates, allMeans, modes, allMeans, (values, means, mode, useless) => {
        const policy = policyOf(means, { mode, deadlineSeconds: 60 });
        const outcome = simulate(
          world({ writes: traceOf(values), policy, useless: useless.map((each) => each.means) }),
        );
        const steps = taken(outcome);
        expect(new Set(steps.map(String)).size).toBe(steps.length);
        const order = mode === 'ordered' ? policy.means.map((each) => each.means) : Means.options;
        const ranks = outcome.decisions.map((each) => order.indexOf(each.means) * 1e6 + (each.value ?? 0));
        expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
      }),
      { numRuns: 40 },
    );
  });

  test('more time never asks for a harsher first step', () => {
    fc.assert(
      fc.property(fc.integer({ min: 101, max: 900 }), fc.integer({ min: 25, max: 100 }), (rate, seconds) => {
        const first = (deadlineSeconds: number) => {
          const policy = policyOf(
            ['downtime_limit', 'throttle', 'post_copy'].map((means) => ({ means }) as never),
            {
              deadlineSeconds,
            },
          );
          const [step] = simulate(world({ writes: steady(rate), policy })).decisions;
          return step ? Means.options.indexOf(step.means) * 1e6 + (step.value ?? 0) : -1;
        };
        expect(first(seconds * 2)).toBeLessThanOrEqual(first(seconds));
      }),
      { numRuns: 25 },
    );
  });

  test('the same facts give the same answer', () => {
    const one = world({ writes: traceOf([300, 0, 500]) });
    expect(simulate(one)).toEqual(simulate(one));
  });
});
