import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type MigrateJob,
  type MigrationPhase,
  type MigrationRecord,
  newMigrationRecord,
} from '../../apps/agent/migration/migration-record.js';
import type { DiskState } from '../../apps/agent/migration/disk-departure.js';
import {
  type CheckpointState,
  type DestinationAnswer,
  type Facts,
  nextStep,
  type SourceMigration,
} from '../../apps/agent/migration/next-step.js';

const START_MS = Date.parse('2026-11-21T12:00:00Z');
const order: MigrateJob = {
  kind: 'migrate',
  migrationId: '00000000-0000-4000-8000-000000000001',
  vmId: '00000000-0000-4000-8000-000000000002',
  sourceEpoch: 4,
  epoch: 5,
  spec: { name: 'web-1', vcpus: 1, memoryMiB: 64, image: 'pager', append: '', nics: [], disks: [] },
  destination: {
    hostId: '00000000-0000-4000-8000-000000000003',
    hostName: 'host-2',
    agentUrl: 'http://127.0.0.1:1',
    ticket: 'x',
  },
  downtimeLimitMs: 300,
  bandwidthMiBps: null,
  timeoutSeconds: 600,
  convergence: { mode: 'predictive', means: [], deadlineSeconds: 120 },
  decideAloneAfterSeconds: 10,
  checkpointLimitMiB: 1024,
  encrypted: true,
  tunnelled: false,
};

const inPhase = (phase: MigrationPhase, change: Partial<MigrationRecord> = {}): MigrationRecord => ({
  ...newMigrationRecord(order, new Date(START_MS).toISOString()),
  uri: 'tcp:127.0.0.1:4000',
  phase,
  ...change,
});

interface Seen {
  readonly migration?: SourceMigration;
  readonly destination?: DestinationAnswer;
  readonly isAlive?: boolean;
  readonly isMine?: boolean;
  readonly disks?: DiskState;
  readonly checkpoint?: CheckpointState;
  readonly afterMs?: number;
}
const READY: DiskState = { status: 'ready' };
const seen = ({ migration = { status: 'none' }, destination, afterMs = 0, ...more }: Seen) =>
  ({
    nowMs: START_MS + afterMs,
    source: { isAlive: true, isMine: true, disks: READY, checkpoint: 'over', ...more, migration },
    destination: destination ?? { kind: 'not_asked' },
  }) satisfies Facts;

const running: DestinationAnswer = { kind: 'running', message: '' };
const loaded: DestinationAnswer = { kind: 'loaded', message: '' };
const waiting: DestinationAnswer = { kind: 'waiting', message: '' };
const gone: DestinationAnswer = { kind: 'gone', message: 'killed by SIGKILL' };
const unreachable: DestinationAnswer = { kind: 'unreachable', message: 'ECONNREFUSED' };

const step = (record: MigrationRecord, facts: Seen) => nextStep(record, seen(facts));

describe('the way of a migration that works', () => {
  test.each([
    ['begin', {}, { action: 'enter', phase: 'prepare' }],
    ['prepare', {}, { action: 'ask_prepare' }],
    [
      'prepare',
      { destination: { kind: 'prepared', uri: 'tcp:h:1', nbd: null } },
      { action: 'enter_perform', uri: 'tcp:h:1' },
    ],
    ['perform', {}, { action: 'migrate', uri: 'tcp:127.0.0.1:4000' }],
    ['perform', { disks: { status: 'idle' } }, { action: 'mirror_disks' }],
    ['perform', { disks: { status: 'running' } }, { action: 'wait' }],
    ['perform', { migration: { status: 'active' } }, { action: 'wait' }],
    ['perform', { migration: { status: 'completed', isConfirmed: true } }, { action: 'enter', phase: 'confirm' }],
    ['confirm', {}, { action: 'quit_source' }],
    ['confirm', { isAlive: false }, { action: 'end_left', error: null }],
  ] as [MigrationPhase, Seen, object][])('%s %o', (phase, facts, expected) => {
    expect(step(inPhase(phase), facts)).toMatchObject(expected);
  });
});

describe('the memory of a VM that has left', () => {
  const begun = { checkpoint: { sinceMs: START_MS } };
  test.each([
    ['is kept if it is wanted', { checkpoint: 'wanted' }, {}, 'keep_checkpoint'],
    ['is waited for', { checkpoint: 'writing', afterMs: 10_000 }, begun, 'wait'],
    ['is not waited for without end', { checkpoint: 'writing', afterMs: 100_000 }, begun, 'quit_source'],
    ['is there', { checkpoint: 'over' }, begun, 'quit_source'],
    ['is lost with its process', { checkpoint: 'writing', isAlive: false }, begun, 'end_left'],
  ] as [string, Seen, Partial<MigrationRecord>, string][])('%s', (_, facts, change, action) => {
    expect(step(inPhase('confirm', change), facts)).toMatchObject({ action });
  });
});

describe('before the point of no return the VM stays here', () => {
  test('a VM that is not here', () => {
    expect(step(inPhase('begin'), { isMine: false, isAlive: false })).toMatchObject({
      action: 'abort',
      error: { code: 'not_here', phase: 'begin', side: 'source' },
    });
  });

  test('a destination that refuses', () => {
    const destination = { kind: 'refused', code: 'capacity', message: 'full' } as const;
    expect(step(inPhase('prepare'), { destination })).toMatchObject({
      action: 'abort',
      error: { code: 'capacity', phase: 'prepare', side: 'destination', message: 'full' },
    });
  });

  test('a destination whose agent is away: asked again for a while, then given up', () => {
    expect(step(inPhase('prepare'), { destination: unreachable, afterMs: 5_000 }).action).toBe('ask_prepare');
    expect(step(inPhase('prepare'), { destination: unreachable, afterMs: 20_000 })).toMatchObject({
      action: 'abort',
      error: { code: 'destination_unreachable' },
    });
    const hurried = inPhase('prepare');
    const record = { ...hurried, order: { ...hurried.order, timeoutSeconds: 2 } };
    expect(step(record, { destination: unreachable, afterMs: 1_000 }).action).toBe('ask_prepare');
    expect(step(record, { destination: unreachable, afterMs: 3_000 }).action).toBe('abort');
  });

  test('an engine that failed says why, and on which side', () => {
    const migration = { status: 'failed', code: 'remote_config', message: 'machines differ' } as const;
    expect(step(inPhase('perform'), { migration })).toMatchObject({
      action: 'abort',
      error: { code: 'remote_config', phase: 'perform', side: 'destination', message: 'machines differ' },
    });
  });

  test('its time is up: noted, cancelled, then failed as timeout', () => {
    const active = { migration: { status: 'active' }, afterMs: 601_000 } as const;
    expect(step(inPhase('perform'), active).action).toBe('time_out');
    expect(step(inPhase('perform', { cancel: 'timeout' }), active).action).toBe('cancel_migration');
    expect(step(inPhase('perform', { cancel: 'timeout' }), { migration: { status: 'cancelled' } })).toMatchObject({
      action: 'abort',
      error: { code: 'timeout' },
    });
  });

  test('cancelled in each phase', () => {
    const cancel = { cancel: 'cancelled' } as const;
    expect(step(inPhase('begin', cancel), {}).action).toBe('abort');
    expect(step(inPhase('prepare', cancel), {}).action).toBe('abort');
    expect(step(inPhase('perform', cancel), {}).action).toBe('abort');
    expect(step(inPhase('perform', cancel), { migration: { status: 'active' } }).action).toBe('cancel_migration');
  });

  test('a cancellation that came too late changes nothing', () => {
    const migration = { status: 'completed', isConfirmed: true } as const;
    expect(step(inPhase('perform', { cancel: 'cancelled' }), { migration })).toMatchObject({ phase: 'confirm' });
  });

  test('the destination throws away what it has, for as long as it takes', () => {
    expect(step(inPhase('abort'), {}).action).toBe('ask_discard');
    expect(step(inPhase('abort'), { destination: unreachable, afterMs: 60_000 }).action).toBe('ask_discard');
    expect(step(inPhase('abort'), { destination: waiting }).action).toBe('ask_discard');
    expect(step(inPhase('abort'), { destination: gone }).action).toBe('end_stays');
    expect(step(inPhase('abort'), { destination: unreachable, afterMs: 3_600_000 }).action).toBe('end_stays');
  });
});

describe('past the point of no return', () => {
  test('the last message was lost: the destination is asked to run the VM, for ever', () => {
    expect(step(inPhase('perform'), { migration: { status: 'completed', isConfirmed: false } })).toMatchObject({
      action: 'enter',
      phase: 'finish',
    });
    for (const destination of [unreachable, loaded, waiting])
      expect(step(inPhase('finish'), { destination, afterMs: 10 ** 9 }).action).toBe('ask_finish');
    expect(step(inPhase('finish'), { destination: running })).toMatchObject({ action: 'enter', phase: 'confirm' });
  });

  test('the destination died after taking over: the VM is nowhere', () => {
    expect(step(inPhase('finish'), { destination: gone })).toMatchObject({
      action: 'end_left',
      error: { code: 'destination_lost', phase: 'finish', side: 'destination' },
    });
  });

  test('a destination that does not know this migration any more is not asked for ever', () => {
    const refused: DestinationAnswer = { kind: 'refused', code: 'unauthorized', message: 'a later epoch is known' };
    expect(step(inPhase('finish'), { destination: refused })).toMatchObject({ action: 'end_left' });
    expect(step(inPhase('perform'), { isAlive: false, destination: refused })).toMatchObject({
      action: 'abort',
      error: { code: 'source_died' },
    });
  });
});

describe('the source died in the middle', () => {
  const dead = { isAlive: false } as const;
  test('only the destination knows how far it came', () => {
    expect(step(inPhase('perform'), dead).action).toBe('ask_state');
    expect(step(inPhase('perform'), { ...dead, destination: unreachable }).action).toBe('ask_state');
  });
  test('a destination that has everything takes over', () => {
    expect(step(inPhase('perform'), { ...dead, destination: loaded })).toMatchObject({ phase: 'finish' });
    expect(step(inPhase('perform'), { ...dead, destination: running })).toMatchObject({ phase: 'finish' });
  });
  test('one that has not, cannot', () => {
    expect(step(inPhase('perform'), { ...dead, destination: waiting })).toMatchObject({
      action: 'abort',
      error: { code: 'source_died', phase: 'perform' },
    });
  });
});

const migrations: fc.Arbitrary<SourceMigration> = fc.oneof(
  fc
    .constantFrom('none', 'setup', 'active', 'device', 'cancelling', 'cancelled', 'unknown')
    .map((status) => ({ status }) as SourceMigration),
  fc.boolean().map((isConfirmed) => ({ status: 'completed', isConfirmed }) as const),
  fc.constant({ status: 'failed', code: 'connect', message: 'refused' } as const),
);
const destinations = fc.constantFrom(running, loaded, waiting, gone, unreachable, {
  kind: 'not_asked',
} as DestinationAnswer);

test('from finish on nothing brings the VM back to the source, and nothing is thrown away at the destination', () => {
  const phases = fc.constantFrom<MigrationPhase>('finish', 'confirm');
  fc.assert(
    fc.property(
      phases,
      migrations,
      destinations,
      fc.boolean(),
      fc.nat(10 ** 10),
      (phase, migration, destination, isAlive, afterMs) => {
        const { action } = step(inPhase(phase, { cancel: 'timeout' }), { migration, destination, isAlive, afterMs });
        expect(['abort', 'end_stays', 'ask_discard', 'migrate', 'cancel_migration']).not.toContain(action);
      },
    ),
  );
});

test('a source that lives is only ever ended when the destination runs the VM', () => {
  const phases = fc.constantFrom<MigrationPhase>('begin', 'prepare', 'perform', 'finish', 'abort');
  fc.assert(
    fc.property(phases, migrations, destinations, fc.nat(10 ** 10), (phase, migration, destination, afterMs) => {
      const next = step(inPhase(phase), { migration, destination, afterMs });
      expect(next.action).not.toBe('quit_source');
      if (next.action === 'enter' && next.phase === 'confirm')
        expect(destination.kind === 'running' || migration.status === 'completed').toBe(true);
    }),
  );
});

describe('a guest that runs at the destination before its memory is there', () => {
  const paused = { status: 'postcopy_paused' } as const;
  test('is never given up, and made to run there', () => {
    const perform = inPhase('perform', { cancel: 'cancelled' });
    expect(nextStep(perform, seen({ migration: { status: 'postcopy' } }))).toMatchObject({
      action: 'enter',
      phase: 'postcopy',
    });
    const postcopy = inPhase('postcopy', { cancel: 'cancelled' });
    const active = seen({ migration: { status: 'postcopy' } });
    expect(nextStep(postcopy, active).action).toBe('ask_finish');
    expect(nextStep(postcopy, { ...active, destination: running }).action).toBe('wait');
    const completed = seen({ migration: { status: 'completed', isConfirmed: true } });
    expect(nextStep(postcopy, completed)).toMatchObject({ action: 'enter', phase: 'confirm' });
  });

  test('gets another connection, at growing distances and so many times', () => {
    const after = (attempts: number, afterMs: number) =>
      nextStep(inPhase('postcopy', { paused: { sinceMs: START_MS, attempts } }), seen({ migration: paused, afterMs }))
        .action;
    expect(nextStep(inPhase('postcopy'), seen({ migration: paused })).action).toBe('recover');
    expect(after(1, 500)).toBe('wait');
    expect(after(1, 1000)).toBe('recover');
    expect(after(5, 14_000)).toBe('wait');
    expect(after(5, 15_000)).toBe('recover');
    expect(after(60, 1e9)).toBe('wait');
  });

  test('has ended there: it needs no page any more if it has switched itself off, else it is lost', () => {
    const ended = (isComplete: boolean) =>
      ({ kind: 'running', isComplete, hasEnded: true, message: 'killed' }) as const;
    const next = (destination: DestinationAnswer) =>
      nextStep(inPhase('postcopy', { paused: { sinceMs: START_MS, attempts: 1 } }), {
        ...seen({ migration: paused }),
        destination,
      });
    expect(next(ended(true))).toMatchObject({ action: 'enter', phase: 'confirm' });
    for (const destination of [ended(false), gone])
      expect(next(destination)).toMatchObject({
        action: 'end_left',
        error: { code: 'destination_lost', side: 'destination', message: expect.stringContaining('killed') },
      });
    // While the source still sends, what was heard before is no reason.
    expect(
      nextStep(inPhase('postcopy'), { ...seen({ migration: { status: 'postcopy' } }), destination: gone }),
    ).toMatchObject({ action: 'ask_finish' });
  });

  test('is lost with its source', () => {
    // The destination has everything, and its word of that was lost: whatever the source thinks, the guest is not.
    const complete = { kind: 'running', isComplete: true, message: '' } as const;
    const lost = { status: 'failed', code: 'destination_lost', message: 'm' } as const;
    for (const migration of [paused, lost]) {
      expect(nextStep(inPhase('postcopy'), { ...seen({ migration }), destination: complete })).toMatchObject({
        action: 'enter',
        phase: 'confirm',
      });
    }
    expect(nextStep(inPhase('postcopy'), { ...seen({ migration: lost }), destination: running })).toMatchObject({
      action: 'end_left',
      error: { code: 'destination_lost' },
    });
    expect(nextStep(inPhase('postcopy'), seen({ isAlive: false }))).toMatchObject({
      action: 'end_left',
      error: { code: 'source_died' },
    });
  });
});

test('a migration is begun anew with what its process cannot change in flight', () => {
  const restarting = inPhase('perform', { isRestarting: true });
  expect(nextStep(restarting, seen({ migration: { status: 'active' } })).action).toBe('cancel_migration');
  expect(nextStep(restarting, seen({ migration: { status: 'cancelled' } })).action).toBe('begin_anew');
  const cancelled = { ...restarting, cancel: 'cancelled' as const };
  expect(nextStep(cancelled, seen({ migration: { status: 'cancelled' } })).action).toBe('abort');
});

test('a cancelled migration may end as failed, since QEMU closes the channel that it writes to', () => {
  const failed = seen({ migration: { status: 'failed', code: 'failed', message: 'Cannot write to TLS channel' } });
  expect(nextStep(inPhase('perform', { isRestarting: true }), failed).action).toBe('begin_anew');
  const cancelled = inPhase('perform', { isRestarting: true, cancel: 'cancelled' });
  expect(nextStep(cancelled, failed)).toMatchObject({ action: 'abort', error: { code: 'cancelled' } });
  expect(nextStep(inPhase('perform', {}), failed)).toMatchObject({ action: 'abort', error: { code: 'failed' } });
});
