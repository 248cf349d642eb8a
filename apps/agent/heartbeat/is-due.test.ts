import { describe, expect, test } from 'vitest';
import { Heartbeat } from '#contracts';
import { isDue } from './is-due.js';

const VM_ID = '11111111-1111-4111-8111-111111111111';
const up = {
  ...{ vmId: VM_ID, epoch: 1, status: 'up', exitCode: null, message: '' },
  ...{ cpuUsedCores: 0.5, memoryUsedMiB: 64, dirtyRateMiBps: 1, consoleTail: 'one' },
} as const;

/** With what every heartbeat says, and `more`. */
const beat = (more: object = {}): Heartbeat =>
  Heartbeat.parse({
    ...{ sentAt: '2026-01-01T00:00:00.000Z', agentUrl: 'http://127.0.0.1:7420', agentVersion: '0.1.0' },
    ...{ cpuCores: 2, memoryMiB: 1024, cpuUsedCores: 0.5, memoryUsedMiB: 64, pressure: null },
    ...{ isolation: [], drivers: [], vms: [up], migrations: [] },
    ...more,
  });

const last = { atMs: 1_000_000, told: beat(), nextMs: 5000 };
const soon = last.atMs + 1000;

test('the first one is due at once, the next ones when the controller wants them', () => {
  expect(isDue(beat(), null, soon)).toBe(true);
  expect([1000, 2000, 4000, 4600, 5000].map((ms) => isDue(beat(), last, last.atMs + ms))).toEqual([
    ...[false, false, false, true, true],
  ]);
});

test('what is measured each second waits', () => {
  const figures = { cpuUsedCores: 0.9, memoryUsedMiB: 65, dirtyRateMiBps: 7, consoleTail: 'two' };
  const pressure = { cpuSomePercent: 10, memorySomePercent: 0, ioSomePercent: 0 };
  expect(isDue(beat({ cpuUsedCores: 0.9, pressure, vms: [{ ...up, ...figures }] }), last, soon)).toBe(false);
});

test('a clock that was set back holds nothing up', () => {
  expect(isDue(beat(), last, last.atMs - 3_600_000)).toBe(true);
});

describe('news is told at once', () => {
  test.each([
    ['a VM has ended', { vms: [{ ...up, status: 'down', exitCode: 0 }] }],
    ['a VM has been paused', { vms: [{ ...up, status: 'paused' }] }],
    ['a copy of a higher epoch runs', { vms: [{ ...up, epoch: 2 }] }],
    ['a VM is not here any more', { vms: [] }],
    ['the guest has an address', { vms: [{ ...up, guest: { hostName: 'a', ipAddresses: ['10.0.0.7'] } }] }],
    ['memory was promised', { memoryUsedMiB: 128 }],
    ['its own address is another', { agentUrl: 'http://127.0.0.2:7420' }],
    ['a device can be given', { hostDevices: ['fast0'] }],
    ['health was looked at', { health: { at: '2026-01-01T00:00:00.000Z', checks: [] } }],
  ])('%s', (_, more) => {
    expect(isDue(beat(more), last, soon)).toBe(true);
  });

  test.each(['starting', 'migrating', 'incoming', 'loaded', 'stopping'])(
    'and each second while a VM is %s',
    (status) => {
      const told = beat({ vms: [{ ...up, status }] });
      expect(isDue(told, { ...last, told }, soon)).toBe(true);
    },
  );
});
