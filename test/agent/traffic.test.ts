/** From bytes that passed the ports of a switch to MiB/s of a VM. */
import { describe, expect, test } from 'vitest';
import { networkMiBpsOf, type TrafficReading } from '../../apps/agent/network/traffic.js';

const MIB = 2 ** 20;
const NIC = { network: 'default', mac: '52:54:00:00:00:01' };
const at = (atMs: number, sentMiB: number, receivedMiB: number): TrafficReading => ({
  atMs,
  vms: new Map([['web', { sentBytes: sentMiB * MIB, receivedBytes: receivedMiB * MIB }]]),
});
const used = (before: TrafficReading | null, now: TrafficReading, nics: object[] = [NIC]) =>
  networkMiBpsOf('web', { nics: nics as (typeof NIC)[] }, before, now);

describe('what a VM uses of the network', () => {
  test('is what it sends or receives a second, whichever is more', () => {
    expect(used(at(1000, 10, 100), at(3000, 14, 101))).toBe(2);
    expect(used(at(1000, 10, 100), at(1500, 11, 103))).toBe(6);
    expect(used(at(1000, 10, 100), at(3000, 10, 100))).toBe(0);
  });

  test('is nothing without a network card', () => {
    expect(used(null, { atMs: 5, vms: new Map() }, [])).toBe(0);
  });

  test.each([
    ['before there are two readings', null, at(1000, 1, 1)],
    ['when its ports are new', { atMs: 0, vms: new Map() }, at(1000, 1, 1)],
    ['when its ports were made anew', at(0, 9, 9), at(1000, 1, 1)],
    ['when no time has passed', at(1000, 1, 1), at(1000, 1, 1)],
  ])('is not known %s', (_when, before, now) => {
    expect(used(before, now)).toBeNull();
  });

  test('is not known of a VM that drives a device of the host itself', () => {
    expect(used(at(0, 1, 1), at(1000, 2, 2), [NIC, { ...NIC, hostDevice: 'fast0' }])).toBeNull();
  });
});
