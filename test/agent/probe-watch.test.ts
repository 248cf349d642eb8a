/** Whose turn it is when an agent finds out by itself what moving its VMs would take. */
import { expect, test, vi } from 'vitest';
import type { MigrationProbe } from '#contracts';
import { createLog } from '../../apps/agent/log.js';
import { type Probe, ProbeWatch, type Resident } from '../../apps/agent/migration/convergence/probe-watch.js';

const log = createLog('silent');
const SECOND = 1000;
const INTERVAL_MS = 600 * SECOND;
const found: MigrationProbe = { dirtyRateMiBps: 5, usedMiB: 60, compressedShare: 0.3, deltaShare: null, atHand: [] };

function watching(residents: Resident[], probe: Probe = async () => found, intervalMs = INTERVAL_MS) {
  const probed: string[] = [];
  const watch = new ProbeWatch(
    () => residents,
    (vmId) => {
      probed.push(vmId);
      return probe(vmId);
    },
    intervalMs,
    log,
  );
  /** What is told at that moment; whatever was begun by then has ended at the next one. */
  const at = async (seconds: number) => {
    const told = watch.take(seconds * SECOND);
    await new Promise(setImmediate);
    return told;
  };
  return { watch, at, probed };
}

test('a VM that has come is measured after a minute, then every ten; each once told', async () => {
  const { at, probed } = watching([{ vmId: 'a', epoch: 3 }]);
  for (const seconds of [0, 59]) expect(await at(seconds)).toEqual([]);
  expect(probed).toEqual([]);
  await at(60);
  expect(await at(61)).toEqual([{ ...found, vmId: 'a', epoch: 3 }]);
  expect(await at(62)).toEqual([]);
  await at(659);
  expect(probed).toEqual(['a']);
  await at(660);
  expect(probed).toEqual(['a', 'a']);
});

test('one at a time: who has waited longest is next, when the one before has ended', async () => {
  const ends: (() => void)[] = [];
  const residents = [
    { vmId: 'a', epoch: 1 },
    { vmId: 'b', epoch: 1 },
  ];
  const { at, probed } = watching(residents, () => new Promise((done) => ends.push(() => done(found))));
  await at(0);
  await at(60);
  await at(61);
  expect(probed).toEqual(['a']);
  ends[0]!();
  await vi.waitFor(async () => expect((await at(62)).map(({ vmId }) => vmId)).toEqual(['a']));
  await at(63);
  expect(probed).toEqual(['a', 'b']);
});

test('what was found of a VM that leaves meanwhile is not told; one that comes back is new', async () => {
  const residents: Resident[] = [{ vmId: 'a', epoch: 1 }];
  const { at, probed } = watching(residents, async () => {
    residents.length = 0;
    return found;
  });
  await at(0);
  await at(60);
  expect(await at(61)).toEqual([]);
  residents.push({ vmId: 'a', epoch: 3 });
  await at(62);
  await at(121);
  expect(probed).toEqual(['a']);
  await at(122);
  expect(probed).toEqual(['a', 'a']);
});

test('one that stands still or cannot be measured is tried again at its next turn', async () => {
  const { at, probed } = watching([{ vmId: 'a', epoch: 1 }], async () => {
    if (probed.length === 1) throw new Error('no answer');
    return null;
  });
  for (const seconds of [0, 60, 61, 660, 661]) expect(await at(seconds)).toEqual([]);
  expect(probed).toEqual(['a', 'a']);
});

test('what could not be told comes again, but for what is known better by then', async () => {
  const { watch, at } = watching([{ vmId: 'a', epoch: 1 }]);
  await at(0);
  await at(60);
  const told = await at(61);
  watch.giveBack(told);
  expect(await at(62)).toEqual(told);
});

test('0 seconds: never', async () => {
  const { at, probed } = watching([{ vmId: 'a', epoch: 1 }], async () => found, 0);
  for (const seconds of [0, 60, 6000]) await at(seconds);
  expect(probed).toEqual([]);
});
