/** Guest time across stops and migrations, as the VMMs tell it and as the guest itself reads it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { QmpClient } from '#qmp';
import { clockReader, setMtime } from '../vmm/guests.js';
import { moveGuest } from '../vmm/move.js';
import { VmmProcess } from '../vmm/process.js';

const MACHINE = ['-m', '16M', '-smp', '2', '-bios', 'none'];
const MOVES = 2;
const MS = 1e6;

/** Guest time, and between which two moments of the host's it was read; all in nanoseconds. */
async function read(qmp: QmpClient) {
  const from = performance.now() * MS;
  const stats = await qmp.execute<{ 'guest-ns': number }>('x-drover-stats');
  return { guest: stats['guest-ns'], from, to: performance.now() * MS };
}

test.each([
  ['', []],
  [', though the guest has set mtime to its end', setMtime(2n ** 64n - 10_000_000n)],
])('across migrations guest time loses no more than the downtime, and gains nothing%s', async (_, first) => {
  let vmm = new VmmProcess(clockReader(first), MACHINE);
  let qmp = await vmm.connect();
  await vmm.waitForPrinted('.');
  for (let moves = 0; moves < MOVES; moves++) {
    const before = await read(qmp);
    const moved = await moveGuest(qmp, MACHINE);
    const left = await read(qmp);
    const after = await read(moved.qmp);
    expect(before.guest).toBeLessThanOrEqual(left.guest); // where it stood still at the source
    expect(left.guest).toBeLessThanOrEqual(after.guest);
    const passed = after.guest - before.guest;
    expect(passed).toBeLessThanOrEqual(after.to - before.from);
    expect(passed).toBeGreaterThanOrEqual(after.from - before.to - (moved.downtimeMs + 1) * MS); // whole ms are told
    expect((await read(qmp)).guest).toBe(left.guest);
    await qmp.execute('quit');
    ({ vmm, qmp } = moved);
    await vmm.waitForPrinted('.');
  }
  expect(await qmp.execute('query-status')).toMatchObject({ status: 'running' }); // the guest saw no time run backwards
});

test('a guest that is moved while it is stopped finds the time at which it was', async () => {
  const vmm = new VmmProcess(clockReader(), MACHINE);
  const qmp = await vmm.connect();
  await vmm.waitForPrinted('.');
  await qmp.execute('stop');
  const stopped = await read(qmp);
  const moved = await moveGuest(qmp, MACHINE);
  await sleep(50);
  expect((await read(moved.qmp)).guest).toBe(stopped.guest);
  const resumed = performance.now() * MS;
  await moved.qmp.execute('cont');
  const { guest, to } = await read(moved.qmp);
  expect(guest).toBeGreaterThan(stopped.guest);
  expect(guest - stopped.guest).toBeLessThanOrEqual(to - resumed);
  await moved.vmm.waitForPrinted('.');
});
