/** Slowing guests down: the rules, a hart's rest, and migrations that end because of it. */
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { GuestMemory, liftThrottles, PARKED, throttleHart, throttleOf } from '#vmm';
import { autoConverge, parkedIn, writers } from '../../libs/migration/throttle-rule.js';
import { HartRest } from '../../libs/vmm/throttle.js';
import { connect, endMachines, EVENTUALLY, expectGuestRuns, writingMachine } from './connect.js';
import { ramHash, ReceivingMachine } from './support.js';

const MIB = 2 ** 20;
const QEMU = { initial: 20, increment: 10, max: 99, tailslow: false, triggerThreshold: 50 };
const TOO_MUCH = { writtenBytes: 60, sentBytes: 100 };
const anyHarts = fc.array(fc.record({ pages: fc.nat(1e6), percentage: fc.nat(100) }), { minLength: 1, maxLength: 16 });

describe('auto-converge', () => {
  test.each([
    ['what is written fits: nothing', { percentage: 0, tooMuch: 1 }, { writtenBytes: 50, sentBytes: 100 }, 0, 1],
    ['too much for the first time: waits', { percentage: 0, tooMuch: 0 }, TOO_MUCH, 0, 1],
    ['for the second time: begins', { percentage: 0, tooMuch: 1 }, TOO_MUCH, 20, 0],
    ['still too much: slower', { percentage: 20, tooMuch: 1 }, TOO_MUCH, 30, 0],
    ['never more than the maximum', { percentage: 95, tooMuch: 1 }, TOO_MUCH, 99, 0],
    ['fits again: stays', { percentage: 40, tooMuch: 0 }, { writtenBytes: 1, sentBytes: 100 }, 40, 0],
  ])('%s', (_, state, period, percentage, tooMuch) => {
    expect(autoConverge(state, period, QEMU)).toEqual({ percentage, tooMuch });
  });

  test('tailslow adds no more than needed', () => {
    const slow = { ...QEMU, tailslow: true };
    const state = { percentage: 50, tooMuch: 1 };
    expect(autoConverge(state, { writtenBytes: 55, sentBytes: 100 }, slow).percentage).toBe(54);
    expect(autoConverge(state, { writtenBytes: 500, sentBytes: 100 }, slow).percentage).toBe(60);
  });

  test('a guest that never fits is slowed down to the maximum, and no further', () => {
    let state = { percentage: 0, tooMuch: 0 };
    const seen = Array.from({ length: 40 }, () => (state = autoConverge(state, TOO_MUCH, QEMU)).percentage);
    expect([...new Set(seen)]).toEqual([0, 20, 30, 40, 50, 60, 70, 80, 90, 99]);
  });
});

describe('which harts', () => {
  test('those that write nine tenths of the pages, reckoned without the throttle', () => {
    const writes = (...harts: [number, number][]) => harts.map(([pages, percentage]) => ({ pages, percentage }));
    expect(writers(writes([1000, 0], [10, 0], [0, 0]))).toEqual([0]);
    expect(writers(writes([100, 0], [100, 0]))).toEqual([0, 1]);
    expect(writers(writes([10, 99], [50, 0]))).toEqual([0]);
    expect(writers(writes([0, 0], [0, 0]))).toEqual([0, 1]);
  });

  test('with any writes, somebody is slowed down, and whoever is not writes less than a tenth', () => {
    fc.assert(
      fc.property(anyHarts, (harts) => {
        const chosen = writers(harts);
        expect(chosen.length).toBeGreaterThan(0);
        const rate = ({ pages, percentage }: (typeof harts)[number]) => pages / (1 - percentage / 100 || 0.01);
        const total = harts.reduce((sum, hart) => sum + rate(hart), 0);
        const spared = harts.filter((_, hart) => !chosen.includes(hart)).reduce((sum, hart) => sum + rate(hart), 0);
        expect(spared).toBeLessThanOrEqual(total * 0.1 + 1e-6);
      }),
    );
  });

  test('parked harts take turns, and one always runs', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), fc.nat(20), (harts, count) => {
        const turns = Array.from({ length: harts }, (_, turn) => parkedIn(turn, count, harts));
        const parked = Math.min(count, harts - 1);
        for (const turn of turns) expect(new Set(turn).size).toBe(parked);
        const times = Array.from({ length: harts }, (_, hart) => turns.filter((turn) => turn.includes(hart)).length);
        expect(times).toEqual(times.map(() => parked)); // each hart as long as any other
      }),
    );
  });
});

describe('a hart', () => {
  const MS = 1_000_000n;
  const memory = GuestMemory.create(MIB, 2);
  afterEach(() => liftThrottles(memory, 2));

  test('rests in proportion to what it ran, and not for less than a millisecond', () => {
    const rest = new HartRest(memory, 1);
    throttleHart(memory, 1, 75);
    expect(throttleOf(memory, 0)).toBe(0);
    expect(rest.leftMs(0n)).toBe(0);
    rest.ran(MS / 4n);
    expect(rest.leftMs(1n * MS)).toBe(0);
    rest.ran(MS);
    expect(rest.leftMs(2n * MS)).toBeCloseTo(3.75);
    expect(rest.leftMs(5n * MS)).toBeCloseTo(0.75);
    expect(rest.leftMs(6n * MS)).toBe(0);
    expect(rest.leftMs(7n * MS)).toBe(0);
  });

  test('is parked until it is told otherwise, and owes nothing then', () => {
    const rest = new HartRest(memory, 1);
    throttleHart(memory, 1, 99);
    rest.ran(10n * MS);
    throttleHart(memory, 1, PARKED);
    expect(rest.leftMs(0n)).toBe(Infinity);
    throttleHart(memory, 1, 0);
    expect(rest.leftMs(0n)).toBe(0);
    throttleHart(memory, 1, 99);
    expect(rest.leftMs(0n)).toBe(0);
  });
});

describe('a guest that writes too fast', () => {
  afterEach(endMachines);
  const NEVER_FITS = { maxBandwidth: 32 * MIB, downtimeLimitMs: 1 };
  const UNTHROTTLED = { autoConverge: null, percentage: 0, writersOnly: false, parkedHarts: 0 };

  test('is slowed down in mid-flight until it fits, and runs freely in the end', async () => {
    const from = await writingMachine(32, 6000, 0);
    const to = new ReceivingMachine(32);
    const { source, destination, far } = connect(from, to, NEVER_FITS);
    const both = Promise.all([source.run(), destination.receive(far)]);
    await vi.waitFor(() => expect(source.figures.iterations.length).toBeGreaterThan(1), EVENTUALLY);
    source.setParameters({ downtimeLimitMs: 300, throttle: { ...UNTHROTTLED, percentage: 99 } });
    expect(source.figures.throttle).toEqual({ percentage: 99, harts: [0], parkedHarts: [] });
    const [figures] = await both;
    expect(figures).toMatchObject({ status: 'completed', throttle: { percentage: 0, harts: [] } });
    expect(throttleOf(from.memory, 0)).toBe(0);
    expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
  });

  test.each(['cancelled', 'failed'])('and whose migration is %s runs freely again', async (status) => {
    const from = await writingMachine(32, 6000, 0);
    const { source, destination, far, near } = connect(from, new ReceivingMachine(32), NEVER_FITS);
    const both = Promise.all([source.run(), destination.receive(far)]);
    await vi.waitFor(() => expect(source.figures.iterations.length).toBeGreaterThan(1), EVENTUALLY);
    // Only now: a guest that hardly runs may write nothing in a pass, and has arrived then.
    source.setParameters({ throttle: { ...UNTHROTTLED, percentage: 90, parkedHarts: 1 } }); // its only hart is not parked
    await vi.waitFor(() => expect(throttleOf(from.memory, 0)).toBe(90), EVENTUALLY);
    if (status === 'cancelled') source.cancel();
    else near.end(new Error('cut'));
    const [figures] = await both;
    expect(figures).toMatchObject({ status, throttle: { percentage: 0 } });
    source.setParameters({ throttle: { ...UNTHROTTLED, percentage: 50 } }); // too late: it has ended
    expect(throttleOf(from.memory, 0)).toBe(0);
    await expectGuestRuns(from);
  });
});
