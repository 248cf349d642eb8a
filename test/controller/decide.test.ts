import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HostStatus, MigrationStatus, VmReport, VmStatus } from '#contracts';
import { allows, hasEnded, VM_TRANSITIONS } from '#lifecycle';
import {
  type CopyFacts,
  decide,
  type HostFacts,
  judgeCopy,
  type MigrationFacts,
  PATIENCE,
  type Situation,
  type VmFacts,
} from '../../apps/controller/reconciler/decide.js';

const NOW = 1_000_000;
const LONG_AGO = NOW - 600_000;

const vm = (values: Partial<VmFacts> = {}): VmFacts => ({
  status: 'up',
  statusSince: LONG_AGO,
  hostId: 'a',
  epoch: 3,
  ...values,
});
const copy = (values: Partial<CopyFacts> = {}): CopyFacts => ({
  hostId: 'a',
  epoch: 3,
  status: 'up',
  exitCode: null,
  message: '',
  since: LONG_AGO,
  seenAt: NOW,
  ...values,
});
const host = (values: Partial<HostFacts> = {}): HostFacts => ({
  name: 'alpha',
  status: 'up',
  statusSince: LONG_AGO,
  lastHeartbeatAt: NOW,
  ...values,
});
const migration = (values: Partial<MigrationFacts> = {}): MigrationFacts => ({
  status: 'precopy',
  statusSince: LONG_AGO,
  createdAt: LONG_AGO,
  sourceHostId: 'a',
  destinationHostId: 'b',
  epoch: 4,
  timeoutSeconds: 3600,
  reportedAt: NOW,
  ...values,
});
const decideAbout = (
  facts: Omit<Partial<Situation>, 'host'> & { hosts?: Record<string, Partial<HostFacts>> },
  now = NOW,
) =>
  decide(
    {
      vm: facts.vm ?? vm(),
      copies: facts.copies ?? [],
      migration: facts.migration ?? null,
      host: (id) => host({ name: id === 'a' ? 'alpha' : 'beta', ...facts.hosts?.[id] }),
    },
    now,
  );

describe('a VM without a migration', () => {
  test('whose host reports what the row says needs nothing', () => {
    expect(decideAbout({ copies: [copy()] })).toBeNull();
    expect(decideAbout({ vm: vm({ status: 'down', hostId: null }) })).toBeNull();
  });

  test('follows what its host reports', () => {
    const starting = vm({ status: 'starting', statusSince: NOW - 100 });
    expect(decideAbout({ vm: starting, copies: [copy()] })).toMatchObject({ action: 'set_status', to: 'up' });
    expect(decideAbout({ copies: [copy({ status: 'paused' })] })).toMatchObject({ to: 'paused' });
    expect(decideAbout({ vm: vm({ status: 'paused' }), copies: [copy()] })).toMatchObject({ to: 'up' });
    const ended = copy({ status: 'down', exitCode: 7 });
    expect(decideAbout({ copies: [ended] })).toMatchObject({ to: 'down', exitCode: 7 });
  });

  test('that ought to start is ordered again, then given up', () => {
    const waiting = (ms: number) => decideAbout({ vm: vm({ status: 'starting', statusSince: NOW - ms }) });
    expect(waiting(1000)).toBeNull();
    expect(waiting(PATIENCE.orderMs + 1)).toMatchObject({ action: 'order', job: 'start' });
    expect(waiting(PATIENCE.beginMs + 1)).toMatchObject({ to: 'down', reason: expect.stringMatching(/alpha did not/) });
  });

  test('that its host does not mention any more is down, but not at once', () => {
    const seen = (ms: number) => decideAbout({ copies: [copy({ seenAt: NOW - ms })] });
    expect(seen(1000)).toBeNull();
    expect(seen(PATIENCE.absentMs + 1)).toMatchObject({ to: 'down', reason: expect.stringMatching(/gone/) });
  });

  test('whose host does not answer is unknown, and what it was when the host is back', () => {
    const hosts = { a: { status: 'non_responsive', lastHeartbeatAt: NOW - 40_000 } } as const;
    const copies = [copy({ seenAt: NOW - 40_000 })];
    expect(decideAbout({ copies, hosts })).toMatchObject({ to: 'unknown' });
    const unknown = vm({ status: 'unknown' });
    expect(decideAbout({ vm: unknown, copies, hosts })).toBeNull();
    expect(decideAbout({ vm: unknown, copies: [copy()] })).toMatchObject({ to: 'up' });
  });

  test('is where its highest epoch runs', () => {
    const copies = [copy(), copy({ hostId: 'b', epoch: 5 })];
    expect(decideAbout({ copies })).toMatchObject({ action: 'follow', hostId: 'b', epoch: 5 });
    expect(decideAbout({ vm: vm({ status: 'down', hostId: null }), copies: [copy()] })).toMatchObject({
      action: 'follow',
      hostId: 'a',
      epoch: 3,
    });
  });
});

describe('a VM that is being migrated', () => {
  const migrating = vm({ status: 'migrating' });

  test('is left alone while its source reports it', () => {
    const copies = [copy({ status: 'migrating' }), copy({ hostId: 'b', epoch: 4, status: 'incoming' })];
    expect(decideAbout({ vm: migrating, copies, migration: migration() })).toBeNull();
  });

  test('belongs to the destination that runs it, once the source had its time to say so', () => {
    const arrived = (since: number) => [copy({ status: 'paused' }), copy({ hostId: 'b', epoch: 4, since })];
    const facts = { vm: migrating, migration: migration({ status: 'switchover' }) };
    expect(decideAbout({ ...facts, copies: arrived(NOW - 1000) })).toBeNull();
    expect(decideAbout({ ...facts, copies: arrived(NOW - PATIENCE.completionMs) })).toMatchObject({
      action: 'complete_migration',
      to: 'up',
    });
  });

  test('is not given up while the destination has not said yet that it runs', () => {
    const arrived = vm({ statusSince: NOW - 100, hostId: 'b', epoch: 4 });
    const copies = [copy({ status: 'down' }), copy({ hostId: 'b', epoch: 4, status: 'incoming' })];
    expect(decideAbout({ vm: arrived, copies })).toBeNull();
  });

  test('is ordered again if its source never heard of it, and given up in the end', () => {
    const queued = (ms: number) => migration({ status: 'queued', reportedAt: null, statusSince: NOW - ms });
    const facts = { vm: migrating, copies: [copy()] };
    expect(decideAbout({ ...facts, migration: queued(1000) })).toBeNull();
    expect(decideAbout({ ...facts, migration: queued(PATIENCE.orderMs) })).toMatchObject({ job: 'migrate' });
    expect(decideAbout({ ...facts, migration: queued(PATIENCE.beginMs + 1) })).toMatchObject({ code: 'not_started' });
  });

  test('fails when its source has forgotten it, and is up again', () => {
    const forgotten = migration({ reportedAt: NOW - PATIENCE.forgottenMs - 1 });
    expect(decideAbout({ vm: migrating, copies: [copy()], migration: forgotten })).toMatchObject({ code: 'forgotten' });
    expect(decideAbout({ vm: migrating, copies: [copy()] })).toMatchObject({ to: 'up' });
  });

  test('is neither given up nor started while its destination has all of it and its source is silent', () => {
    const silent = { status: 'non_responsive', lastHeartbeatAt: LONG_AGO } as const;
    const loaded = copy({ hostId: 'b', epoch: 4, status: 'loaded' });
    const late = migration({ timeoutSeconds: 60, reportedAt: LONG_AGO, status: 'switchover' });
    const facts = { vm: migrating, migration: late, hosts: { a: silent } };
    const before = copy({ status: 'migrating', seenAt: LONG_AGO });
    expect(decideAbout({ ...facts, copies: [before] })).toMatchObject({ code: 'source_lost' });
    expect(decideAbout({ ...facts, copies: [before, loaded] })).toMatchObject({ to: 'unknown' });
    expect(decideAbout({ ...facts, vm: vm({ status: 'unknown' }), copies: [before, loaded] })).toBeNull();
    expect(judgeCopy(loaded, migrating, late)).toBe('keep');
  });

  test('is started at the destination that has all of it, if its source knows nothing any more', () => {
    const forgotten = migration({ reportedAt: NOW - PATIENCE.forgottenMs - 1 });
    const loaded = copy({ hostId: 'b', epoch: 4, status: 'loaded' });
    const gone = copy({ status: 'migrating', seenAt: NOW - PATIENCE.absentMs - 1 });
    const facts = { vm: migrating, migration: forgotten };
    expect(decideAbout({ ...facts, copies: [gone, loaded] })).toMatchObject({
      action: 'finish_migration',
      hostId: 'b',
    });
    expect(decideAbout({ ...facts, copies: [copy(), loaded] })).toMatchObject({ code: 'forgotten' });
    expect(decideAbout({ ...facts, migration: migration(), copies: [gone, loaded] })).toBeNull();
    expect(judgeCopy(loaded, vm(), null)).toBe('destroy'); // the source had it all the time
  });

  test('ends at once when the power of one of its hosts is cut', () => {
    const off = { status: 'powered_off', statusSince: NOW - 2000, lastHeartbeatAt: LONG_AGO } as const;
    const gone = [copy({ status: 'migrating', seenAt: LONG_AGO })];
    const facts = { vm: vm({ status: 'unknown' }), migration: migration(), copies: gone };
    expect(decideAbout({ ...facts, hosts: { a: off } })).toEqual({
      ...{ action: 'fail_migration', code: 'source_lost', reason: 'alpha was switched off while it sent the VM' },
    });
    expect(decideAbout({ ...facts, migration: null, hosts: { a: off } })).toMatchObject({ to: 'down', isLost: true });
    // The destination may have got all of it in the last moment: its next heartbeat tells.
    const unheard = { lastHeartbeatAt: off.statusSince };
    expect(decideAbout({ ...facts, hosts: { a: off, b: unheard } })).toBeNull();
    const loaded = copy({ hostId: 'b', epoch: 4, status: 'loaded' });
    expect(decideAbout({ ...facts, copies: [...gone, loaded], hosts: { a: off } })).toMatchObject({
      ...{ action: 'finish_migration', hostId: 'b', epoch: 4 },
    });
    expect(decideAbout({ ...facts, hosts: { a: off, b: off } })).toMatchObject({ code: 'source_lost' });

    const leaving = { vm: migrating, copies: [copy({ status: 'migrating' })], hosts: { b: off } };
    const lost = (status: MigrationStatus) => decideAbout({ ...leaving, migration: migration({ status }) });
    expect(lost('precopy')).toMatchObject({ action: 'fail_migration', code: 'destination_lost', cancels: true });
    expect(lost('precopy')).not.toHaveProperty('isLost'); // it has never left
    expect(lost('switchover')).toBeNull(); // its source knows whether it has let go
    expect(lost('postcopy')).toMatchObject({ code: 'destination_lost', isLost: true });
  });

  test('that runs nowhere is lost, unless its destination might have it', () => {
    const copies = [copy({ status: 'down', seenAt: NOW, since: NOW - 40_000 })];
    const gone = [copy({ status: 'migrating', seenAt: NOW - PATIENCE.absentMs - 1 })];
    const facts = { vm: migrating, migration: migration() };
    expect(decideAbout({ ...facts, copies })).toBeNull(); // its source is still winding up
    expect(decideAbout({ ...facts, copies: gone })).toMatchObject({ code: 'vm_lost' });
    const hosts = { b: { status: 'non_responsive', lastHeartbeatAt: LONG_AGO } } as const;
    expect(decideAbout({ ...facts, copies: gone, hosts })).toMatchObject({ to: 'unknown' });
  });

  test('is not lost because a host has said nothing lately: absence is what heartbeats tell', () => {
    const silent = { lastHeartbeatAt: NOW - PATIENCE.absentMs - 100 };
    const gone = [copy({ status: 'migrating', seenAt: NOW - PATIENCE.absentMs - 1 })];
    const leaving = { vm: migrating, migration: migration(), copies: gone };
    expect(decideAbout({ ...leaving, hosts: { b: silent } })).toBeNull(); // it may have arrived there since
    const arrived = vm({ hostId: 'b', epoch: 4, statusSince: NOW - PATIENCE.absentMs - 1 });
    expect(decideAbout({ vm: arrived, hosts: { b: silent } })).toBeNull();
    expect(decideAbout({ vm: arrived })).toMatchObject({ to: 'down' });
    const starting = vm({ status: 'starting', statusSince: NOW - PATIENCE.beginMs - 1 });
    expect(decideAbout({ vm: starting, hosts: { a: silent } })).toMatchObject({ action: 'order', job: 'start' });
  });
});

const time = fc.integer({ min: LONG_AGO, max: NOW });
const hostIds = fc.constantFrom('a', 'b');
const situations = fc.record({
  vm: fc
    .record({
      status: fc.constantFrom(...VmStatus.options),
      statusSince: time,
      hostId: hostIds,
      epoch: fc.integer({ min: 0, max: 3 }),
    })
    .map((facts): VmFacts => (facts.status === 'down' ? { ...facts, hostId: null } : facts)),
  copies: fc.uniqueArray(
    fc.record({
      hostId: hostIds,
      epoch: fc.integer({ min: 0, max: 5 }),
      status: fc.constantFrom(...VmReport.shape.status.options),
      exitCode: fc.constantFrom(null, 0, 1),
      message: fc.constant(''),
      since: time,
      seenAt: fc.oneof(time, fc.constant(NOW)),
    }),
    { selector: ({ hostId }) => hostId, maxLength: 2 },
  ),
  a: fc.constantFrom(...HostStatus.options),
  b: fc.constantFrom(...HostStatus.options),
  migration: fc.option(
    fc.record({
      status: fc.constantFrom(...MigrationStatus.options.filter((status) => !hasEnded(status))),
      statusSince: time,
      createdAt: fc.constant(LONG_AGO),
      sourceHostId: fc.constant('a'),
      destinationHostId: fc.constant('b'),
      epoch: fc.constant(4),
      timeoutSeconds: fc.constantFrom(60, 3600),
      reportedAt: fc.option(time),
    }),
  ),
});
const situationOf = ({ a, b, ...rest }: typeof situations extends fc.Arbitrary<infer T> ? T : never): Situation => ({
  ...rest,
  host: (id) => host({ name: id, status: id === 'a' ? a : b }),
});

test('no decision breaks the transition tables or lets an epoch shrink', () => {
  fc.assert(
    fc.property(situations, (facts) => {
      const situation = situationOf(facts);
      const decision = decide(situation, NOW);
      if (decision?.action === 'set_status') {
        expect(allows(VM_TRANSITIONS, situation.vm.status, decision.to)).toBe(true);
        expect(decision.to).not.toBe(situation.vm.status);
      }
      if (decision?.action === 'follow') expect(decision.epoch).toBeGreaterThanOrEqual(situation.vm.epoch);
      if (decision?.action === 'complete_migration')
        expect(situation.copies.some(({ hostId, epoch }) => hostId === 'b' && epoch === 4)).toBe(true);
      if (decision?.action === 'finish_migration')
        expect(situation.copies).toContainEqual(
          expect.objectContaining({ hostId: 'b', status: 'loaded', epoch: decision.epoch }),
        );
      if (decision?.action.endsWith('_migration')) expect(situation.migration).not.toBeNull();
    }),
    { numRuns: 2000 },
  );
});

test('a host is never told to end the copy that owns the VM, nor one that a migration waits for', () => {
  fc.assert(
    fc.property(situations, (facts) => {
      for (const reported of facts.copies) {
        const verdict = judgeCopy(reported, facts.vm, facts.migration);
        const isOwner = facts.vm.hostId === reported.hostId && facts.vm.epoch === reported.epoch;
        const isAwaited = reported.hostId === 'b' && facts.migration?.epoch === reported.epoch;
        if (isOwner || isAwaited) expect(verdict).not.toBe('destroy');
        if (verdict === 'destroy' && reported.status !== 'incoming' && reported.status !== 'loaded')
          expect(reported.epoch).toBeLessThan(facts.vm.epoch);
      }
    }),
    { numRuns: 2000 },
  );
});

test('copies of a VM that is not there any more are ended, then forgotten', () => {
  expect(judgeCopy(copy(), null, null)).toBe('destroy');
  expect(judgeCopy(copy({ status: 'down' }), null, null)).toBe('forget');
  expect(judgeCopy(copy({ epoch: 4, status: 'incoming' }), vm(), null)).toBe('destroy'); // of a migration that failed
});
