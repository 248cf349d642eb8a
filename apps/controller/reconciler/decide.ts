/**
 * What is to be done about a VM, given its row (what is wanted), the reports of hosts (what is there) and its migration.
 * Pure: one decision with its reason, or null if row and reports agree or it is too early to tell. The reconciler asks
 * again until there is nothing left to do.
 */
import type { HostStatus, MigrationStatus, VmReport, VmStatus } from '#contracts';
import { allows, VM_TRANSITIONS } from '#lifecycle';

/** Times in milliseconds. */
export interface VmFacts {
  readonly status: VmStatus;
  readonly statusSince: number;
  readonly hostId: string | null;
  readonly epoch: number;
}

/** A copy of the VM, as its host last reported it. */
export interface CopyFacts {
  readonly hostId: string;
  readonly epoch: number;
  readonly status: VmReport['status'];
  readonly exitCode: number | null;
  readonly message: string;
  readonly since: number;
  readonly seenAt: number;
}

export interface HostFacts {
  readonly name: string;
  readonly status: HostStatus;
  readonly statusSince: number;
  readonly lastHeartbeatAt: number;
}

export interface MigrationFacts {
  readonly status: MigrationStatus;
  readonly statusSince: number;
  readonly createdAt: number;
  readonly sourceHostId: string;
  readonly destinationHostId: string;
  readonly epoch: number;
  readonly timeoutSeconds: number;
  readonly reportedAt: number | null;
}

export interface Situation {
  readonly vm: VmFacts;
  readonly copies: readonly CopyFacts[];
  readonly host: (id: string) => HostFacts;
  /** The migration that has not ended, if there is one. */
  readonly migration: MigrationFacts | null;
}

export type Decision =
  | {
      readonly action: 'set_status';
      readonly to: VmStatus;
      readonly reason: string;
      readonly exitCode?: number | null;
      /** It went down with its host, though nobody had wanted that. */
      readonly isLost?: boolean;
    }
  /** The row takes over a copy that it did not know of; its status is what the next decision makes of it. */
  | { readonly action: 'follow'; readonly hostId: string; readonly epoch: number; readonly reason: string }
  | { readonly action: 'complete_migration'; readonly to: 'up' | 'paused'; readonly reason: string }
  /** A copy that is loaded owns the VM: its host is told to start it. */
  | { readonly action: 'finish_migration'; readonly hostId: string; readonly epoch: number; readonly reason: string }
  /** `isLost`: the VM with it, since no host has all of it. */
  | {
      readonly action: 'fail_migration';
      readonly code: string;
      readonly reason: string;
      readonly isLost?: boolean;
      /** Its source still works at it, and is told to end that. */
      readonly cancels?: boolean;
    }
  | { readonly action: 'order'; readonly job: 'start' | 'stop' | 'migrate'; readonly reason: string };

const ALIVE: ReadonlySet<CopyFacts['status']> = new Set(['starting', 'up', 'paused', 'migrating', 'stopping']);
/** It runs nothing, and may be all that is left of the VM if it is `loaded`. */
const ARRIVING: ReadonlySet<CopyFacts['status']> = new Set(['incoming', 'loaded']);

/** After how many milliseconds without the expected news what is done. */
export const PATIENCE = {
  /** An order that shows no effect is given again. */
  orderMs: 5_000,
  /** A VM that was ordered to start, or a migration to begin, and did not. */
  beginMs: 60_000,
  /** A VM that its host does not mention any more; an agent that restarts needs some seconds to find its VMs. */
  absentMs: 8_000,
  /** A migration that its source does not mention any more. */
  forgottenMs: 15_000,
  /** The source's agent tells the end of a migration itself, with figures; after that the destination's word is enough. */
  completionMs: 5_000,
  /** Beyond the migration's own timeout, for a source that does not answer. */
  overtimeMs: 60_000,
} as const;

const ANSWERING: ReadonlySet<HostStatus> = new Set(['up', 'preparing_for_maintenance', 'maintenance']);
const answers = (host: HostFacts) => ANSWERING.has(host.status);
const isPresent = (copy: CopyFacts, host: HostFacts) => answers(host) && copy.seenAt >= host.lastHeartbeatAt;

export function decide(situation: Situation, now: number): Decision | null {
  const { vm, copies, host, migration } = situation;
  const alive = copies
    .filter((copy) => ALIVE.has(copy.status) && isPresent(copy, host(copy.hostId)) && copy.epoch >= vm.epoch)
    .toSorted((a, b) => b.epoch - a.epoch);
  const owner = alive[0];
  if (owner && owner.epoch > vm.epoch) return decideNewOwner(owner, situation, now);
  if (vm.hostId === null) {
    if (!owner) return null;
    const reason = `found running on ${host(owner.hostId).name}`;
    return { action: 'follow', hostId: owner.hostId, epoch: owner.epoch, reason };
  }
  const trouble = migration && decideMigration(migration, situation, now);
  if (trouble) return trouble;
  if (owner?.hostId === vm.hostId) return decideAlive(vm, owner.status, migration, now);
  return decideGone(situation, vm.hostId, now);
}

/** A copy with a higher epoch runs somewhere: it owns the VM, whatever the row says. */
function decideNewOwner(owner: CopyFacts, { vm, host, migration }: Situation, now: number): Decision | null {
  const { name } = host(owner.hostId);
  if (migration?.epoch !== owner.epoch || migration.destinationHostId !== owner.hostId) {
    const reason = `${name} runs it in epoch ${owner.epoch}, the row was at ${vm.epoch}`;
    return { action: 'follow', hostId: owner.hostId, epoch: owner.epoch, reason };
  }
  // In post-copy the source still has pages that the guest needs, and tells the end itself.
  const isPostcopy = migration.status === 'postcopy' || migration.status === 'postcopy_paused';
  if (isPostcopy && answers(host(migration.sourceHostId))) return null;
  if (owner.status !== 'up' && owner.status !== 'paused') return null;
  if (now - owner.since < PATIENCE.completionMs) return null;
  const reason = `${name} runs it; ${host(migration.sourceHostId).name} has not told how the migration ended`;
  return { action: 'complete_migration', to: owner.status, reason };
}

const statusOf = (status: CopyFacts['status']): VmStatus =>
  status === 'paused' || status === 'stopping' || status === 'starting' ? status : 'up';

/** The copy that the row speaks of is there. */
function decideAlive(
  vm: VmFacts,
  reported: CopyFacts['status'],
  migration: MigrationFacts | null,
  now: number,
): Decision | null {
  if (vm.status === 'stopping')
    return now - vm.statusSince > 3 * PATIENCE.orderMs
      ? { action: 'order', job: 'stop', reason: 'it still runs' }
      : null;
  if (migration) {
    const isBack = vm.status === 'unknown';
    return isBack ? { action: 'set_status', to: 'migrating', reason: '' } : null;
  }
  if (vm.status === 'migrating' && (reported === 'migrating' || reported === 'stopping')) return null; // winding down
  const to = statusOf(reported);
  const isNews = to !== vm.status && allows(VM_TRANSITIONS, vm.status, to);
  return isNews ? { action: 'set_status', to, reason: '' } : null;
}

/** The copy that the row speaks of is not there, or its host does not answer. */
function decideGone({ vm, copies, host, migration }: Situation, hostId: string, now: number): Decision | null {
  const home = host(hostId);
  // What has no power runs nothing: that is known, where of silence nothing is.
  if (home.status === 'powered_off' && !migration)
    return { ...down(`${home.name} was switched off`), isLost: vm.status !== 'stopping' };
  if (!answers(home)) return unknown(vm, `${home.name} does not answer`);
  const last = copies.find((copy) => copy.hostId === hostId && copy.epoch === vm.epoch);
  // How long a host has been heard that does not mention it: its silence says nothing.
  const absentMs = ({ lastHeartbeatAt, statusSince }: HostFacts) =>
    lastHeartbeatAt - Math.max(last?.seenAt ?? 0, vm.statusSince, statusSince);
  // It has just arrived, and the destination's next heartbeat says so.
  if (last && ARRIVING.has(last.status) && isPresent(last, home)) return null;
  if (migration) {
    if (loadedCopy(migration, copies, host)) return null; // it ends when its source has told, or is known to have forgotten
    const destination = host(migration.destinationHostId);
    if (absentMs(home) < PATIENCE.absentMs) return null;
    if (!answers(destination)) return unknown(vm, `it left ${home.name}, and ${destination.name} does not answer`);
    if (absentMs(destination) < PATIENCE.absentMs) return null;
    const reason = `neither ${home.name} nor ${destination.name} runs it any more`;
    return { action: 'fail_migration', code: 'vm_lost', reason };
  }
  if (last && isPresent(last, home)) return down(last.message || endOf(last, home.name), last.exitCode);
  if (vm.status === 'starting' && !last) {
    const waited = now - Math.max(vm.statusSince, home.statusSince);
    if (absentMs(home) > PATIENCE.beginMs)
      return down(`${home.name} did not start it within ${PATIENCE.beginMs / 1000} s`);
    const reason = `${home.name} does not mention it`;
    return waited > PATIENCE.orderMs ? { action: 'order', job: 'start', reason } : null;
  }
  if (absentMs(home) < PATIENCE.absentMs) return null;
  return down(vm.status === 'stopping' ? '' : `its process on ${home.name} is gone`);
}

const endOf = ({ exitCode }: CopyFacts, hostName: string) =>
  exitCode === null ? `it ended on ${hostName}` : `the guest ended with status ${exitCode}`;

const down = (reason: string, exitCode: number | null = null): Extract<Decision, { action: 'set_status' }> => ({
  action: 'set_status',
  to: 'down',
  reason,
  exitCode,
});

const unknown = (vm: VmFacts, reason: string): Decision | null =>
  vm.status === 'unknown' ? null : { action: 'set_status', to: 'unknown', reason };

/** The destination has everything of the VM. Until the source has told, nobody knows whether it has let go of it. */
const loadedCopy = (
  { destinationHostId, epoch }: MigrationFacts,
  copies: readonly CopyFacts[],
  host: (id: string) => HostFacts,
): CopyFacts | undefined =>
  copies.find(
    (copy) =>
      copy.hostId === destinationHostId &&
      copy.epoch === epoch &&
      copy.status === 'loaded' &&
      isPresent(copy, host(destinationHostId)),
  );

/** Whether a migration has to be ordered again or given up. A copy that runs at the destination was looked at before. */
function decideMigration(
  migration: MigrationFacts,
  { vm, copies, host }: Pick<Situation, 'vm' | 'copies' | 'host'>,
  now: number,
): Decision | null {
  const source = host(migration.sourceHostId);
  const loaded = loadedCopy(migration, copies, host);
  const isAtSource = copies.some(
    ({ hostId, epoch, seenAt }) =>
      hostId === migration.sourceHostId && epoch >= vm.epoch && seenAt >= source.lastHeartbeatAt,
  );
  const waited = now - Math.max(migration.statusSince, source.statusSince);
  const fail = (code: string, reason: string): Decision => ({ action: 'fail_migration', code, reason });
  const withoutPower = decideWithoutPower(migration, loaded, host);
  if (withoutPower) return withoutPower;
  if (loaded && !answers(source)) return null; // it may run there, and may not: the copy is kept until it tells
  if (migration.reportedAt === null && !loaded) {
    if (waited > PATIENCE.beginMs)
      return fail('not_started', `${source.name} did not begin it within ${PATIENCE.beginMs / 1000} s`);
    if (!answers(source) || waited < PATIENCE.orderMs) return null;
    return { action: 'order', job: 'migrate', reason: `${source.name} does not mention it` };
  }
  if (answers(source)) {
    const silent = source.lastHeartbeatAt - Math.max(migration.reportedAt ?? 0, source.statusSince);
    if (silent <= PATIENCE.forgottenMs) return null;
    const reason = `${source.name} knows nothing of it any more`;
    if (!loaded || isAtSource) return fail('forgotten', reason);
    const { hostId, epoch } = loaded;
    const kept = `${reason}, nor of the VM; ${host(hostId).name} has all of it`;
    return { action: 'finish_migration', hostId, epoch, reason: kept };
  }
  const deadline = migration.createdAt + migration.timeoutSeconds * 1000 + PATIENCE.overtimeMs;
  return now > deadline ? fail('source_lost', `${source.name} has not answered since it began`) : null;
}

/** One of its hosts is off, which proves that nothing of the VM runs there: there is no need to wait. */
function decideWithoutPower(
  { status, sourceHostId, destinationHostId }: MigrationFacts,
  loaded: CopyFacts | undefined,
  host: (id: string) => HostFacts,
): Decision | null {
  const [source, destination] = [host(sourceHostId), host(destinationHostId)];
  const isPostcopy = status === 'postcopy' || status === 'postcopy_paused';
  if (source.status === 'powered_off') {
    const why = `${source.name} was switched off`;
    if (loaded) {
      const reason = `${why}; ${destination.name} has all of the VM`;
      return { action: 'finish_migration', hostId: loaded.hostId, epoch: loaded.epoch, reason };
    }
    // In the last moment the destination may have got all of it, which it tells.
    const isKnown = answers(destination) && destination.lastHeartbeatAt > source.statusSince;
    if (!isKnown && destination.status !== 'powered_off') return null;
    return { action: 'fail_migration', code: 'source_lost', reason: `${why} while it sent the VM` };
  }
  // A source that is past the point of no return must say itself how that went.
  if (destination.status !== 'powered_off' || status === 'switchover' || !answers(source)) return null;
  const reason = `${destination.name} was switched off while ${isPostcopy ? 'the VM ran' : 'it received the VM'}`;
  const what = isPostcopy ? { isLost: true, reason: `${reason} there, with pages still to come` } : { reason };
  return { action: 'fail_migration', code: 'destination_lost', cancels: true, ...what };
}

/** What becomes of a copy that a host has reported. `forget`: its end is stored. `destroy`: it owns nothing. */
export function judgeCopy(
  copy: Pick<CopyFacts, 'hostId' | 'epoch' | 'status'>,
  vm: VmFacts | null,
  migration: Pick<MigrationFacts, 'epoch' | 'destinationHostId'> | null,
): 'keep' | 'forget' | 'destroy' {
  const ended = !ALIVE.has(copy.status) && !ARRIVING.has(copy.status);
  if (!vm) return ended ? 'forget' : 'destroy';
  if (ended) return vm.epoch > copy.epoch || vm.hostId !== copy.hostId ? 'forget' : 'keep';
  if (copy.epoch < vm.epoch) return 'destroy';
  if (!ARRIVING.has(copy.status)) return 'keep';
  const isOwner = vm.epoch === copy.epoch && vm.hostId === copy.hostId;
  const isAwaited = migration?.epoch === copy.epoch && migration.destinationHostId === copy.hostId;
  return isOwner || isAwaited ? 'keep' : 'destroy';
}
