import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { migrationTicket, sameSecret, SecretBox } from '../../apps/controller/auth/secrets.js';
import { overUtilizedSince, smooth, smoothingWeight } from '#planner';

test('a sealed text opens with its key, and with no other, and not when it was changed', () => {
  const box = new SecretBox(randomBytes(32));
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => box.open(box.seal(text)) === text));
  expect(box.seal('same')).not.toEqual(box.seal('same'));
  expect(() => new SecretBox(randomBytes(32)).open(box.seal('x'))).toThrow(/DROVER_SECRET_FILE/);
  const changed = box.seal('x');
  changed[changed.length - 1]! ^= 1;
  expect(() => box.open(changed)).toThrow(/another key/);
});

test('a ticket is good for one migration, VM and epoch alone', () => {
  const tickets = [
    migrationTicket('token', 'm', 'v', 1),
    migrationTicket('token', 'm', 'v', 2),
    migrationTicket('token', 'n', 'v', 1),
    migrationTicket('other', 'm', 'v', 1),
  ];
  expect(new Set(tickets).size).toBe(4);
  expect(sameSecret(tickets[0]!, migrationTicket('token', 'm', 'v', 1))).toBe(true);
  expect(sameSecret('a', 'ab')).toBe(false);
});

const at = (seconds: number) => new Date(seconds * 1000);

test('load is smoothed the same, however often it is reported', () => {
  expect(smooth(null, 3, 0.1)).toBe(3);
  let fine = 0;
  for (let second = 1; second <= 10; second++) fine = smooth(fine, 4, smoothingWeight(at(second - 1), at(second)));
  expect(fine).toBeCloseTo(smooth(0, 4, smoothingWeight(at(0), at(10))), 10);
});

test('over-utilized is a host from the moment it exceeds the limit until it no longer does', () => {
  const policy = {
    name: 'evenly_distributed',
    parameters: {
      HighUtilization: 80,
      CpuOverCommitDurationMinutes: 2,
      MaxFreeMemoryForOverUtilized: 0,
      MinFreeMemoryForUnderUtilized: 0,
      ImbalanceThreshold: 5,
      MinimumGain: 1,
      HighPressure: 40,
      HorizonMinutes: 30,
    },
  } as const;
  expect(overUtilizedSince(null, 0.8, policy, at(5))).toBeNull();
  expect(overUtilizedSince(null, 0.81, policy, at(5))).toEqual(at(5));
  expect(overUtilizedSince(at(5), 0.9, policy, at(9))).toEqual(at(5));
  expect(overUtilizedSince(at(5), 0.1, policy, at(9))).toBeNull();
  expect(overUtilizedSince(at(5), 0.9, { name: 'none' }, at(9))).toBeNull();
});
