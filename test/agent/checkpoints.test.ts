import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { checkpointFile } from '#hypervisor';
import { createLog } from '../../apps/agent/log.js';
import { beyond, Checkpoints } from '../../apps/agent/vms/checkpoints.js';

const MIB = 2 ** 20;

test('those that do not fit are the oldest, and no more than must', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 8 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 300 }), (sizesMiB, limitMiB) => {
      const checkpoints = sizesMiB.map((sizeMiB, index) => ({
        ...{ vmId: `vm-${index}`, sizeMiB },
        writtenAt: new Date(index * 1000).toISOString(),
      }));
      const removed = beyond(checkpoints, limitMiB);
      const kept = checkpoints.filter(({ vmId }) => !removed.includes(vmId));
      const sumMiB = (some: readonly { sizeMiB: number }[]) => some.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0);
      expect(sumMiB(kept)).toBeLessThanOrEqual(limitMiB);
      expect(checkpoints.slice(removed.length)).toEqual(kept);
      if (removed.length > 0) expect(sumMiB(checkpoints.slice(removed.length - 1))).toBeGreaterThan(limitMiB);
    }),
  );
});

test('only complete ones count; the oldest goes first', () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-checkpoints-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const put = (vmId: string, atSeconds: number, suffix = '') => {
    const file = checkpointFile(join(folder, vmId)) + suffix;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, new Uint8Array(MIB));
    utimesSync(file, atSeconds, atSeconds);
  };
  const checkpoints = new Checkpoints(folder, createLog('silent'));
  expect(checkpoints.list()).toEqual([]);
  put('one', 3);
  put('two', 1);
  put('three', 2);
  put('four', 4, '.new');
  expect(checkpoints.find('four')).toBeNull();
  expect(
    checkpoints
      .list()
      .map(({ vmId, sizeMiB }) => `${vmId} ${sizeMiB}`)
      .toSorted(),
  ).toEqual(['one 1', 'three 1', 'two 1']);
  checkpoints.keepWithin(2);
  expect(
    checkpoints
      .list()
      .map(({ vmId }) => vmId)
      .toSorted(),
  ).toEqual(['one', 'three']);
  checkpoints.remove('one', 'a test');
  checkpoints.remove('nobody', 'a test');
  expect(checkpoints.list().map(({ vmId }) => vmId)).toEqual(['three']);
  checkpoints.keepWithin(0);
  expect(checkpoints.list()).toEqual([]);
});
