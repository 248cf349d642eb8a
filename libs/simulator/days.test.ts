/** What an administrator expects of days with trouble in them. */
import { describe, expect, test } from 'vitest';
import type { AffinityGroup } from '#contracts';
import { hostOf, vmOf } from './cluster.fixture.js';
import type { Trace } from './trace.js';
import { clusterOf, nightly, promisedMiB, runFor, settingsOf } from './watching.fixture.js';

const EVENLY = { name: 'evenly_distributed', parameters: { CpuOverCommitDurationMinutes: 2 } };
const HOUR_S = 3600;

/** `high` for an hour, `low` for the next, and so on; `shiftHours` later. */
const flapping = (high: number, low: number, shiftHours: number, hours: number): Trace => ({
  stepSeconds: 900,
  percent: Float32Array.from({ length: hours * 4 }, (_, step) =>
    Math.floor((step / 4 + shiftHours) % 2) === 0 ? high : low,
  ),
});
/** Within a minute from one load to another. */
const stepAt = (hour: number, before: number, after: number): Trace => ({
  stepSeconds: 60,
  percent: Float32Array.from({ length: hour * 60 + 2 }, (_, step) => (step <= hour * 60 ? before : after)),
});

test('load that flaps every hour for two days sends no VM to and fro', () => {
  const hours = 48;
  const vms = (prefix: string, shiftHours: number) =>
    [1, 2, 3].map((n) => vmOf(`${prefix}${n}`, flapping(70, 5, shiftHours, hours)));
  const simulation = clusterOf([hostOf('a'), hostOf('b'), hostOf('c')], { a: vms('x', 0), b: vms('y', 1), c: [] });
  const { watching } = runFor(hours, simulation, settingsOf(EVENLY));
  expect(watching.ordered.length).toBeGreaterThan(0);
  for (const { description } of simulation.vms) {
    const moves = watching.movesOf(description.id);
    for (const [index, { to, atS }] of moves.entries()) {
      const hasLeftOfLate = moves.slice(0, index).some((before) => before.from === to && atS - before.atS < 6 * HOUR_S);
      expect(hasLeftOfLate, `${description.name} goes back to ${to} at ${atS / HOUR_S} h`).toBe(false);
    }
    // Two ways to go on three hosts, then six hours of memory.
    expect(moves.length).toBeLessThanOrEqual((2 * hours) / 6);
  }
});

describe('a noisy neighbour', () => {
  const noisy = vmOf('noisy', stepAt(2, 10, 100), { vcpus: 2 });
  const quiet = ['p', 'q', 'r'].map((name) => vmOf(name, 40));

  test('is parted from the VMs that wait for it, and nobody moves twice', () => {
    const simulation = clusterOf([hostOf('a'), hostOf('b', { cores: 4 })], { a: [noisy, ...quiet], b: [] });
    const pressure: number[] = [];
    const { watching } = runFor(6, simulation, settingsOf(EVENLY), () =>
      pressure.push(Math.max(...simulation.hosts.map((host) => host.cpuPressurePercent))),
    );
    expect(Math.max(...pressure)).toBeGreaterThan(0); // it did hurt
    expect(pressure.slice(-3 * 60).every((percent) => percent === 0)).toBe(true); // an hour after it began it is over
    for (const { description } of simulation.vms)
      expect(watching.movesOf(description.id).length).toBeLessThanOrEqual(1);
  });

  test('is left alone, and told of, where no host has room', () => {
    const busy = ['s', 't'].map((name) => vmOf(name, 95));
    const simulation = clusterOf([hostOf('a'), hostOf('b')], { a: [noisy, ...quiet], b: busy });
    const { watching, memory } = runFor(6, simulation, settingsOf(EVENLY));
    expect(watching.ordered).toEqual([]);
    const refused = memory().refusals.filter(({ reason }) => reason === 'b would run at CPU 115 %, over 80 %');
    expect(refused.map(({ vmId }) => vmId)).toEqual(['p', 'q', 'r']);
  });
});

describe('a VM that cannot be moved', () => {
  const pinned = vmOf('pinned', 90, { placement: 'pinned' });
  const others = ['p', 'q', 'r'].map((name) => vmOf(name, 60));

  test('is listed with what to do about it, and the others are moved around it', () => {
    const simulation = clusterOf([hostOf('a'), hostOf('b')], { a: [pinned, ...others], b: [] });
    const { watching, memory } = runFor(6, simulation, settingsOf(EVENLY));
    expect(watching.movesOf('pinned')).toEqual([]);
    expect(watching.ordered.length).toBeGreaterThan(0);
    expect(simulation.hosts.every(({ isOverloaded }) => !isOverloaded)).toBe(true);
    const heavier = clusterOf([hostOf('a'), hostOf('b')], {
      a: [pinned, vmOf('big', 100, { memoryMiB: 7000 })],
      b: [vmOf('large', 100, { memoryMiB: 7000 })],
    });
    expect(
      runFor(1, heavier, settingsOf({ name: 'evenly_distributed', parameters: { ImbalanceThreshold: 0 } })).memory()
        .refusals,
    ).toContainEqual({
      vmId: 'pinned',
      hostId: null,
      reason: 'pinned is pinned to its host; unpin it to let it move',
    });
    expect(memory().plans).toEqual([]);
  });

  test('keeps its host out of maintenance, says so, and the other hosts have theirs', () => {
    const hosts = [hostOf('a'), hostOf('b'), hostOf('c')];
    const simulation = clusterOf(hosts, { a: [pinned, others[0]!], b: [others[1]!], c: [others[2]!] });
    const maintenance = [nightly({ hostsAtOnce: 3 })];
    const { memory } = runFor(6, simulation, settingsOf({ name: 'none' }, { maintenance }));
    const outcomes = Object.fromEntries(
      memory().runs.map(({ hostId, phase, phaseReason }) => [hostId, { phase, phaseReason }]),
    );
    expect(outcomes.b!.phase).toBe('done');
    expect(outcomes.c!.phase).toBe('done');
    expect(outcomes.a).toEqual({
      phase: 'skipped',
      phaseReason: expect.stringMatching(/^a is skipped after 30 min: .*pinned is pinned to its host/),
    });
    expect(simulation.vms.map(({ host }) => host.description.id)).toEqual(['a', 'a', 'b', 'c']); // all came back
  });
});

test('VMs of two hosts that fail are nobody else’s until these are back, and the others are not overfilled', () => {
  const hosts = ['a', 'b', 'c', 'd'].map((name) => hostOf(name));
  const three = (host: string) => [1, 2, 3].map((n) => vmOf(`${host}${n}`, 40));
  const failures = ['a', 'b'].map((hostId) => ({ hostId, atS: 2 * HOUR_S, forS: 3 * HOUR_S }));
  const simulation = clusterOf(hosts, { a: three('a'), b: three('b'), c: three('c'), d: three('d') }, { failures });
  const { watching } = runFor(12, simulation, settingsOf(EVENLY, { haReservation: 1 }));
  const lost = new Set(['a1', 'a2', 'a3', 'b1', 'b2', 'b3']);
  const isOut = (atS: number) => atS >= 2 * HOUR_S && atS < 5 * HOUR_S;
  expect(watching.ordered.filter(({ vmId, atS }) => lost.has(vmId) && isOut(atS))).toEqual([]);
  expect(watching.ordered.filter(({ to, atS }) => (to === 'a' || to === 'b') && isOut(atS))).toEqual([]);
  for (const id of lost) expect(simulation.vm(id).host.description.id).toBe(id[0]);
  expect(simulation.hosts.every(({ status }) => status === 'up')).toBe(true);
});

test('when all hosts are full nothing is moved, and the reason is memory', () => {
  const full = (host: string, cpu: number) =>
    Array.from({ length: 8 }, (_, n) => vmOf(`${host}${n}`, cpu, { memoryMiB: 1024 }));
  const hosts = [hostOf('a'), hostOf('b'), hostOf('c')];
  const simulation = clusterOf(hosts, { a: full('a', 30), b: full('b', 5), c: full('c', 2) });
  const { watching, memory } = runFor(4, simulation, settingsOf(EVENLY));
  expect(watching.ordered).toEqual([]);
  expect(simulation.hosts.map(promisedMiB)).toEqual([8192, 8192, 8192]);
  expect(memory().refusals.map(({ reason }) => reason)).toContainEqual(
    expect.stringMatching(/has 0 MiB of memory free/),
  );
});

test.each([
  [3, 2],
  [4, 1],
])(
  'of %i hosts, %i in maintenance at once: VMs that soft rules keep apart leave once and come back once',
  (count, hostsAtOnce) => {
    const names = ['a', 'b', 'c', 'd'].slice(0, count);
    const vmsOf = (host: string) => [1, 2].map((n) => vmOf(`${host}${n}`, 20, { memoryMiB: 1024 }));
    const apart = [1, 2].map((n): AffinityGroup => ({
      ...{ id: `apart-${n}`, name: `apart-${n}`, description: '', priority: 1 },
      ...{ vmIds: names.map((host) => `${host}${n}`), vmLabels: [], hostIds: [], hostLabels: [] },
      vmsRule: { enabled: true, positive: false, enforcing: false },
      hostsRule: { enabled: false, positive: true, enforcing: false },
    }));
    const simulation = clusterOf(
      names.map((name) => hostOf(name)),
      Object.fromEntries(names.map((name) => [name, vmsOf(name)])),
    );
    const maintenance = [nightly({ hostsAtOnce })];
    const { watching, memory } = runFor(6, simulation, settingsOf(EVENLY, { affinityGroups: apart, maintenance }));
    expect(memory().runs.map(({ phase }) => phase)).toEqual(names.map(() => 'done'));
    for (const { description, host } of simulation.vms) {
      const home = description.name[0];
      const [out, back, ...more] = watching.movesOf(description.id);
      expect([out?.from, back?.to, more, host.description.id], description.name).toEqual([home, home, [], home]);
    }
  },
);
