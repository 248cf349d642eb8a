/** What the source's agent does next in a migration: a pure function of what it has written down and what it sees. */
import type { MigrationError, PreparedIncoming } from '#contracts';
import type { DiskState } from './disk-departure.js';
import type { MigrationRecord } from './migration-record.js';
import { tunnelTarget } from './tunnelled/channel.js';

/** What the source's process says about this migration; `none`: it has not been asked yet. */
export type SourceMigration =
  | { readonly status: 'none' | 'setup' | 'active' | 'device' | 'cancelling' | 'cancelled' }
  /** The guest runs at the destination, and its pages follow; paused: the connection is lost. */
  | { readonly status: 'postcopy' | 'postcopy_paused' }
  | { readonly status: 'completed'; readonly isConfirmed: boolean }
  | { readonly status: 'failed'; readonly code: string; readonly message: string }
  /** It runs, but did not answer this time. */
  | { readonly status: 'unknown' };

/** What the destination's agent said when it was last asked. */
export type DestinationAnswer =
  | { readonly kind: 'not_asked' }
  | ({ readonly kind: 'prepared' } & PreparedIncoming)
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'unreachable'; readonly message: string }
  | {
      readonly kind: 'waiting' | 'loaded' | 'running' | 'gone';
      /** Running, with all of its memory. */
      readonly isComplete?: boolean;
      /** Its process has ended there. */
      readonly hasEnded?: boolean;
      readonly message: string;
    };

/** Of a VM that has left; `over`: it is written, or cannot be, or nobody wants it. */
export type CheckpointState = 'wanted' | 'writing' | 'over';

export interface Facts {
  readonly nowMs: number;
  /** The VM's process, if this host has it in the epoch that is to leave. */
  readonly source: {
    readonly isAlive: boolean;
    readonly isMine: boolean;
    readonly migration: SourceMigration;
    readonly disks: DiskState;
    readonly checkpoint: CheckpointState;
  };
  readonly destination: DestinationAnswer;
}

export type Step = { readonly reason: string } & (
  | { readonly action: 'wait' }
  /** Go on to that phase, after writing it down. */
  | { readonly action: 'enter'; readonly phase: 'prepare' | 'postcopy' | 'finish' | 'confirm' }
  | { readonly action: 'enter_perform'; readonly uri: string; readonly nbd: PreparedIncoming['nbd'] }
  /** Give up: the VM stays here. */
  | { readonly action: 'abort'; readonly error: MigrationError }
  /** Have the process copy the disks that the destination does not see. */
  | { readonly action: 'mirror_disks' }
  /** Order the process to migrate. */
  | { readonly action: 'migrate'; readonly uri: string }
  /** Order the process to stop migrating. */
  | { readonly action: 'cancel_migration' }
  /** Throw away what the destination has, and begin anew. */
  | { readonly action: 'begin_anew' }
  /** Post-copy goes on by another connection. */
  | { readonly action: 'recover' }
  /** Note that its time is up. */
  | { readonly action: 'time_out' }
  /** Ask the destination's agent: start a process; tell its state; make sure it runs; throw away what it has. */
  | { readonly action: 'ask_prepare' | 'ask_state' | 'ask_finish' | 'ask_discard' }
  /** The VM has left: has its process leave its memory here. */
  | { readonly action: 'keep_checkpoint' }
  | { readonly action: 'quit_source' }
  /** The end: the VM has left, or stays. `error`: it is nowhere. */
  | { readonly action: 'end_left'; readonly error: MigrationError | null }
  | { readonly action: 'end_stays' }
);

/** How long a destination's agent may be away at the beginning, if the migration may take as long at all. */
const PREPARE_PATIENCE_MS = 15_000;
/** How long after a migration's time is up its destination is asked to throw away what it has. */
const DISCARD_PATIENCE_MS = 300_000;
/** Between attempts to go on with post-copy: the first ones soon, later ones at leisure. */
const RECOVER_EVERY_MS = { first: 500, most: 15_000 };
/** How long a process that its VM has left may write its memory to a file, and so take that of the host. */
const CHECKPOINT_PATIENCE_MS = 60_000;
/** After so many it takes somebody's order. */
export const MOST_RECOVERIES = 60;

export function nextStep(record: MigrationRecord, facts: Facts): Step {
  switch (record.phase) {
    case 'begin':
      return beginStep(record, facts);
    case 'prepare':
      return prepareStep(record, facts);
    case 'perform':
      return performStep(record, facts);
    case 'postcopy':
      return postcopyStep(record, facts);
    case 'finish':
      return finishStep(facts);
    case 'confirm':
      return confirmStep(record, facts);
    case 'abort':
      return abortStep(record, facts);
    case 'ended':
      return { action: 'wait', reason: 'it has ended' };
  }
}

function beginStep({ order, cancel }: MigrationRecord, { source }: Facts): Step {
  if (!source.isMine) {
    const message = `this host does not run epoch ${order.sourceEpoch} of the VM`;
    return { action: 'abort', error: { code: 'not_here', phase: 'begin', side: 'source', message }, reason: message };
  }
  if (cancel) return cancelled('begin', cancel);
  return { action: 'enter', phase: 'prepare', reason: `the VM runs here in epoch ${order.sourceEpoch}` };
}

function prepareStep({ cancel, startedAt, order }: MigrationRecord, { source, destination, nowMs }: Facts): Step {
  if (!source.isAlive) return sourceDied('prepare');
  if (cancel) return cancelled('prepare', cancel);
  switch (destination.kind) {
    case 'prepared':
      if (order.tunnelled && !tunnelTarget(destination.uri)) return withoutTunnel(order);
      return {
        action: 'enter_perform',
        uri: destination.uri,
        nbd: destination.nbd,
        reason: `the destination waits at ${destination.uri}`,
      };
    case 'refused': {
      const { code, message } = destination;
      const error = { code, phase: 'prepare', side: 'destination', message } as const;
      return { action: 'abort', error, reason: `the destination refused: ${message}` };
    }
    case 'unreachable':
      if (nowMs - Date.parse(startedAt) > Math.min(PREPARE_PATIENCE_MS, order.timeoutSeconds * 1000)) {
        const message = `the destination's agent does not answer: ${destination.message}`;
        const error = { code: 'destination_unreachable', phase: 'prepare', side: 'destination', message } as const;
        return { action: 'abort', error, reason: message };
      }
      return { action: 'ask_prepare', reason: `the destination's agent did not answer: ${destination.message}` };
    default:
      return { action: 'ask_prepare', reason: 'the destination has to start a process first' };
  }
}

function performStep(record: MigrationRecord, facts: Facts): Step {
  const { order, cancel, startedAt, uri, isRestarting } = record;
  const { source, destination, nowMs } = facts;
  if (!source.isAlive) return withoutSource(destination);
  const { migration } = source;
  const isLate = nowMs - Date.parse(startedAt) > order.timeoutSeconds * 1000;
  const timeOut = { action: 'time_out', reason: `it has taken longer than ${order.timeoutSeconds} s` } as const;
  switch (migration.status) {
    case 'none':
      if (cancel) return cancelled('perform', cancel);
      if (isLate) return timeOut;
      return diskStep(source.disks, uri!);
    case 'setup':
    case 'active':
    case 'device':
      if (cancel) return { action: 'cancel_migration', reason: CANCEL_REASONS[cancel] };
      if (isRestarting) return { action: 'cancel_migration', reason: 'it is to be begun anew with other means' };
      if (isLate) return timeOut;
      return { action: 'wait', reason: `it is ${migration.status}` };
    case 'cancelling':
    case 'unknown':
      return { action: 'wait', reason: migration.status === 'unknown' ? 'no answer this time' : 'it is cancelling' };
    case 'completed':
      return migration.isConfirmed
        ? { action: 'enter', phase: 'confirm', reason: 'the destination said that the guest runs there' }
        : { action: 'enter', phase: 'finish', reason: 'the source has let go, but heard nothing after that' };
    case 'postcopy':
    case 'postcopy_paused':
      return { action: 'enter', phase: 'postcopy', reason: 'the guest runs at the destination, its pages follow' };
    case 'cancelled':
      if (isRestarting && !cancel) return { action: 'begin_anew', reason: 'it is begun anew with other means' };
      return cancelled('perform', cancel ?? 'cancelled');
    case 'failed': {
      // To cancel closes the channel; QEMU may tell that it could not write to it instead.
      if (cancel) return cancelled('perform', cancel);
      if (isRestarting) return { action: 'begin_anew', reason: 'it is begun anew with other means' };
      const { code, message } = migration;
      const side = code.startsWith('remote_') ? 'destination' : 'source';
      return { action: 'abort', error: { code, phase: 'perform', side, message }, reason: message };
    }
  }
}

/** Memory is sent when all disks are as good as equal. */
function diskStep(disks: DiskState, uri: string): Step {
  switch (disks.status) {
    case 'idle':
      return { action: 'mirror_disks', reason: 'the destination does not see its disks' };
    case 'running':
      return { action: 'wait', reason: 'its disks are copied' };
    case 'ready':
      return { action: 'migrate', uri, reason: 'the destination waits' };
    case 'failed': {
      const { message } = disks;
      return {
        action: 'abort',
        error: { code: 'disk_copy', phase: 'perform', side: 'source', message },
        reason: message,
      };
    }
  }
}

/**
 * The source's process died while it migrated, perhaps past the point of no return. It will never run the VM again, so
 * a destination that has everything may take over; one that has not cannot.
 */
function withoutSource(destination: DestinationAnswer): Step {
  switch (destination.kind) {
    case 'running':
    case 'loaded':
      return { action: 'enter', phase: 'finish', reason: 'the source died, but the destination has everything' };
    case 'waiting':
    case 'gone':
    case 'refused':
      return sourceDied('perform');
    default:
      return { action: 'ask_state', reason: 'the source died: only the destination knows how far it came' };
  }
}

/** The guest runs at the destination, what it has not got yet is here: neither can be given up. */
function postcopyStep({ paused }: MigrationRecord, { source, destination, nowMs }: Facts): Step {
  const lost = (code: string, side: MigrationError['side'], message: string): Step => ({
    action: 'end_left',
    error: { code, phase: 'finish', side, message },
    reason: message,
  });
  if (!source.isAlive)
    return lost(
      'source_died',
      'source',
      'the VM ended at the source while pages of it were missing at the destination',
    );
  const { migration } = source;
  if (isWithoutConnection(migration)) {
    if (destination.kind === 'running' && destination.isComplete)
      return { action: 'enter', phase: 'confirm', reason: `nothing is missing there any more: ${destination.message}` };
    if (destination.kind === 'gone' || (destination.kind === 'running' && destination.hasEnded))
      return lost(
        'destination_lost',
        'destination',
        `the VM was lost with pages still to come: ${destination.message}`,
      );
  }
  switch (migration.status) {
    case 'completed':
      return { action: 'enter', phase: migration.isConfirmed ? 'confirm' : 'finish', reason: 'all pages are there' };
    case 'failed':
      return lost(migration.code, 'source', migration.message);
    case 'postcopy_paused': {
      const attempts = paused?.attempts ?? 0;
      const everyMs = Math.min(RECOVER_EVERY_MS.most, RECOVER_EVERY_MS.first * 2 ** Math.min(attempts, 10));
      if (attempts >= MOST_RECOVERIES) return { action: 'wait', reason: 'it could not be recovered: give the order' };
      if (paused && nowMs < paused.sinceMs + everyMs) return { action: 'wait', reason: 'it will be tried again soon' };
      return { action: 'recover', reason: 'the connection of post-copy was lost' };
    }
    default:
      if (destination.kind === 'running') return { action: 'wait', reason: `it is ${migration.status}` };
      return { action: 'ask_finish', reason: 'the guest is to run at the destination' };
  }
}

const isWithoutConnection = ({ status }: SourceMigration) => status === 'postcopy_paused' || status === 'failed';

function finishStep({ destination }: Facts): Step {
  switch (destination.kind) {
    case 'running':
      return { action: 'enter', phase: 'confirm', reason: 'the guest runs at the destination' };
    case 'gone':
    case 'refused': {
      const message = `the destination lost the VM after it had taken it over: ${destination.message}`;
      const error = { code: 'destination_lost', phase: 'finish', side: 'destination', message } as const;
      return { action: 'end_left', error, reason: message };
    }
    default:
      return { action: 'ask_finish', reason: 'the source never runs the VM again, so the destination has to' };
  }
}

/** The VM runs at the destination, and everybody may know; its memory is still here. */
function confirmStep({ checkpoint: begun }: MigrationRecord, { source: { isAlive, checkpoint }, nowMs }: Facts): Step {
  if (!isAlive)
    return {
      action: 'end_left',
      error: null,
      reason: 'the VM runs at the destination, and nothing of it is left here',
    };
  if (checkpoint === 'wanted') return { action: 'keep_checkpoint', reason: 'the VM may come back' };
  if (checkpoint === 'writing' && begun && nowMs - begun.sinceMs < CHECKPOINT_PATIENCE_MS)
    return { action: 'wait', reason: 'its memory is kept for its return' };
  return { action: 'quit_source', reason: 'the VM runs at the destination' };
}

function abortStep({ error, order, startedAt }: MigrationRecord, { source, destination, nowMs }: Facts): Step {
  if (error?.phase === 'begin')
    return { action: 'end_stays', reason: 'the destination has not been asked for anything' };
  if (source.isMine && source.isAlive && ['setup', 'active', 'device'].includes(source.migration.status))
    return { action: 'cancel_migration', reason: 'it was given up' };
  if (destination.kind === 'gone')
    return { action: 'end_stays', reason: 'nothing of the VM is left at the destination' };
  if (destination.kind === 'refused')
    return { action: 'end_stays', reason: `the destination has nothing to throw away: ${destination.message}` };
  if (destination.kind === 'running')
    return { action: 'end_stays', reason: 'the destination says that the VM runs there: its epoch decides' };
  const patienceMs = order.timeoutSeconds * 1000 + DISCARD_PATIENCE_MS;
  if (destination.kind === 'unreachable' && nowMs - Date.parse(startedAt) > patienceMs)
    return { action: 'end_stays', reason: "the destination's agent is still away; the controller will tell it" };
  return { action: 'ask_discard', reason: 'the VM stays here, so the destination must not keep it' };
}

function withoutTunnel({ destination: { hostName } }: MigrationRecord['order']): Step {
  const message = `the agent of ${hostName} is too old for tunnelled migrations: upgrade it, or choose another policy`;
  const error = { code: 'not_tunnelled', phase: 'prepare', side: 'destination', message } as const;
  return { action: 'abort', error, reason: message };
}

const CANCEL_REASONS = { cancelled: 'cancelled by request', timeout: 'its time is up' } as const;

function cancelled(phase: MigrationError['phase'], cancel: 'cancelled' | 'timeout'): Step {
  const message = CANCEL_REASONS[cancel];
  return { action: 'abort', error: { code: cancel, phase, side: 'source', message }, reason: message };
}

function sourceDied(phase: MigrationError['phase']): Step {
  const message = 'the VM ended at the source while it migrated';
  return { action: 'abort', error: { code: 'source_died', phase, side: 'source', message }, reason: message };
}
