/** Pure decisions about hosts' power: what is done next, and what energy is counted. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_FENCING, type FencingPolicy, type PowerOperation } from '#contracts';
import { energyOf } from '../../apps/controller/energy/account.js';
import { decideFence, FENCED_OF_LATE_MS, type LostHost } from '../../apps/controller/power/decide-fence.js';
import { nextStep, type Situation } from '../../apps/controller/power/next-step.js';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const at = (secondsAgo: number) => new Date(NOW - secondsAgo * 1000).toISOString();

const situation = (
  more: Partial<Omit<Situation, 'operation'>>,
  operation: Partial<PowerOperation> = {},
): Situation => ({
  hostName: 'alpha',
  status: 'powering_off',
  statusSinceMs: NOW - 5000,
  bootSeconds: null,
  hasVms: false,
  isAwaited: false,
  ...more,
  operation: {
    ...{ kind: 'test', reason: '', statusAfter: 'maintenance', requestedAt: at(60), wakes: true, fences: false },
    ...{ attempts: 0, error: null, notBefore: null, switchedOnAt: null },
    ...operation,
  },
});

describe('the next step', () => {
  test.each([
    ['a host that is to be off is switched off', {}, {}, { action: 'switch_off' }],
    ['after a failure it waits', {}, { attempts: 1, error: 'x', notBefore: at(-5) }, { action: 'wait' }],
    ['and tries again', {}, { attempts: 1, error: 'x', notBefore: at(1) }, { action: 'switch_off' }],
    [
      'and gives up in the end: it is in maintenance, as it was',
      {},
      { attempts: 3, error: 'no route', notBefore: at(1) },
      { action: 'give_up', to: 'maintenance', reason: 'alpha could not be switched off: no route' },
    ],
    [
      'one that is lost is not off, and was not in maintenance',
      {},
      { attempts: 3, error: 'no route', notBefore: at(1), fences: true },
      { action: 'give_up', to: 'non_responsive', reason: 'alpha could not be switched off: no route' },
    ],
    ['off was all that was wanted', { status: 'powered_off' }, { kind: 'off' }, { action: 'forget' }],
    [
      'what is to come back waits until its VMs are known to be down',
      { status: 'powered_off', hasVms: true },
      { kind: 'cycle', fences: true },
      { action: 'wait' },
    ],
    [
      'however long that takes',
      { status: 'powered_off', statusSinceMs: NOW - 1_000_000, hasVms: true },
      { kind: 'cycle', fences: true },
      { action: 'wait' },
    ],
    [
      'sources in their switchover have a minute to tell how it went',
      { status: 'powered_off', statusSinceMs: NOW - 60_000, hasVms: true, isAwaited: true },
      { kind: 'cycle', fences: true },
      { action: 'wait' },
    ],
    [
      'then it is turned around: they can only ask its agent',
      { status: 'powered_off', statusSinceMs: NOW - 60_001, hasVms: true, isAwaited: true },
      { kind: 'cycle', fences: true },
      { action: 'turn_around' },
    ],
    ['what is to come back is turned around', { status: 'powered_off' }, { kind: 'cycle' }, { action: 'turn_around' }],
    ['it is switched on', { status: 'powering_on' }, {}, { action: 'switch_on' }],
    ['it boots', { status: 'powering_on' }, { switchedOnAt: at(100) }, { action: 'wait' }],
    [
      'it has not answered for too long',
      { status: 'powering_on', statusSinceMs: NOW - 1_000_000 },
      { switchedOnAt: at(960) },
      { action: 'give_up', to: 'non_responsive', reason: expect.stringContaining('16 minutes ago') },
    ],
    [
      'which is longer for a host that always takes long',
      { status: 'powering_on', statusSinceMs: NOW - 1_000_000, bootSeconds: 600 },
      { switchedOnAt: at(960) },
      { action: 'wait' },
    ],
    ['a host that went another way is left alone', { status: 'up' }, {}, { action: 'forget' }],
  ] as const)('%s', (_, host, operation, expected) => {
    expect(nextStep(situation(host, operation), NOW)).toEqual(expected);
  });
});

describe('a host that is lost', () => {
  const lost: LostHost = {
    ...{ hostName: 'alpha', status: 'non_responsive', silentMs: 61_000, hasManagement: true, isSwitched: false },
    ...{ agentAnswers: false, silentHosts: 1, hosts: 2, beingFenced: 0, fencedAgoMs: null },
  };
  test.each<[string, Partial<LostHost>, Partial<FencingPolicy>, string, string]>([
    ['is fenced', {}, {}, 'fence', 'alpha has been silent for 61 s, and its agent does not answer'],
    ['not unless its cluster wants it', {}, { enabled: false }, 'none', ''],
    ['not if it answers again', { status: 'up' }, {}, 'none', ''],
    ['not twice', { isSwitched: true }, {}, 'none', ''],
    ['not before its grace is over', { silentMs: 59_000 }, {}, 'wait', 'it is fenced after 60 s of silence'],
    ['not without anything that cuts its power', { hasManagement: false }, {}, 'skip', 'no power management'],
    ['not if its agent answers when called', { agentAnswers: true }, {}, 'skip', 'only its heartbeats are lost'],
    ['not while too many are silent', { silentHosts: 2, hosts: 3 }, {}, 'skip', '2 of 3 hosts are silent'],
    ['not while others are', { beingFenced: 1 }, {}, 'wait', 'when 1 that are being fenced are off'],
    ['which may be wanted, too', { beingFenced: 1 }, { hostsAtOnce: 2 }, 'fence', 'silent'],
    ['which may be wanted', { silentHosts: 2, hosts: 3 }, { skipIfSilentPercent: 100 }, 'fence', 'silent'],
  ])('%s', (_, facts, policy, action, reason) => {
    const decision = decideFence({ ...lost, ...facts }, { ...DEFAULT_FENCING, enabled: true, ...policy });
    expect(decision).toMatchObject({ action, reason: expect.stringContaining(reason) });
  });

  test.each<[string, Partial<LostHost>, Partial<FencingPolicy>, boolean]>([
    ['is switched on again', {}, {}, true],
    ['unless that is not wanted', {}, { restart: false }, false],
    ['or it was fenced before of late', { fencedAgoMs: FENCED_OF_LATE_MS - 1 }, {}, false],
    ['which is forgotten in time', { fencedAgoMs: FENCED_OF_LATE_MS }, {}, true],
  ])('%s', (_, facts, policy, restarts) => {
    const decision = decideFence({ ...lost, ...facts }, { ...DEFAULT_FENCING, enabled: true, ...policy });
    expect(decision).toMatchObject({ action: 'fence', restarts });
  });
});

describe('energy', () => {
  const facts = {
    status: 'up' as const,
    ...{ cpuCores: 4, cpuUsedCores: 2, curve: [100, 200], offWatts: 5, measuredWatts: null, isParked: false },
  };
  const none = { savedJoules: 0, measuredJoules: 0, offSeconds: 0 };

  test('follows the power curve, or the BMC where it measures', () => {
    expect(energyOf(facts, 10)).toEqual({ ...none, usedJoules: 1500, onSeconds: 10 });
    expect(energyOf({ ...facts, status: 'powering_on' }, 10)).toMatchObject({ usedJoules: 2000 });
    const measured = { ...none, usedJoules: 1230, measuredJoules: 1230, onSeconds: 10 };
    expect(energyOf({ ...facts, measuredWatts: 123 }, 10)).toEqual(measured);
  });

  test('is saved where a policy has switched a host off, against running idle', () => {
    const off = { ...facts, status: 'powered_off' as const };
    expect(energyOf({ ...off, isParked: true }, 10)).toEqual({
      ...{ usedJoules: 50, savedJoules: 950, measuredJoules: 0, onSeconds: 0, offSeconds: 10 },
    });
    expect(energyOf(off, 10)).toMatchObject({ usedJoules: 50, savedJoules: 0 });
  });

  test('is not made up', () => {
    expect(energyOf({ ...facts, curve: null }, 10)).toBeNull();
    expect(energyOf({ ...facts, status: 'non_responsive' }, 10)).toBeNull();
  });
});
