/** Beginning and end of a migration, as rows; each within the caller's transaction. */
import type { MigrationDecision, MigrationError, MigrationReport, MigrationTrigger } from '#contracts';
import type { Host, Migration, Repositories, Vm } from '#database';
import { allows, VM_TRANSITIONS } from '#lifecycle';
import { restAfter } from '#planner';
import { VERSION } from '../version.js';

interface Beginning {
  readonly vm: Vm;
  readonly source: Host;
  readonly destination: Host;
  readonly trigger: MigrationTrigger;
  readonly reason: string;
  readonly planId: string | null;
  /** By which it is carried out; that of the VM or its cluster if left out. */
  readonly policyId?: string | undefined;
}

/** Plans and queues the migration; the caller sends the order. Throws IllegalTransition unless the VM is up. */
export async function beginMigration(tx: Repositories, beginning: Beginning, now: Date): Promise<Migration> {
  const { source, destination, trigger, reason, planId } = beginning;
  const { lastEpoch } = await tx.vms.lock(beginning.vm.id);
  const epoch = lastEpoch + 1;
  const vm = await tx.vms.changeStatus(beginning.vm.id, 'migrating', { lastEpoch: epoch, statusReason: reason }, now);
  const cluster = await tx.clusters.get(vm.clusterId);
  const policyId = beginning.policyId ?? vm.migrationPolicyId ?? cluster.migrationPolicyId;
  const policy = await tx.migrationPolicies.get(policyId);
  const { downtimeLimitMs, bandwidthMiBps, timeoutSeconds, convergence, keepCheckpoints } = policy;
  const { encryption, tunnelled, bandwidthSharePercent } = policy;
  const planned = await tx.migrations.create(
    {
      clusterId: vm.clusterId,
      vmId: vm.id,
      vmName: vm.name,
      sourceHostId: source.id,
      sourceHostName: source.name,
      destinationHostId: destination.id,
      destinationHostName: destination.name,
      trigger,
      reason,
      planId,
      sourceEpoch: vm.epoch,
      epoch,
      downtimeLimitMs,
      bandwidthMiBps,
      timeoutSeconds,
      convergence,
      checkpointLimitMiB: keepCheckpoints ? cluster.checkpointLimitMiB : 0,
      encryption,
      tunnelled,
      bandwidthSharePercent,
      versions: { controller: VERSION, sourceAgent: source.agentVersion, destinationAgent: destination.agentVersion },
    },
    now,
  );
  const message = `ordered from ${source.name}`;
  const migration = await tx.migrations.changeStatus(planned.id, 'queued', message, {}, now);
  await tx.events.add(
    'info',
    'migration.queued',
    `${vm.name} is to move from ${source.name} to ${destination.name}: ${reason}`,
    subjectOf(migration),
    now,
  );
  return migration;
}

type Figures = Pick<MigrationReport, 'progress' | 'decisions' | 'downtimeMs' | 'totalMs' | 'downtimeBreakdown'>;
const milliseconds = (value: number) => `${Math.round(value)} ms`;

/** The destination's copy owns the VM from now on. */
export async function completeMigration(
  tx: Repositories,
  migration: Migration,
  to: 'up' | 'paused',
  message: string,
  figures: Partial<Figures>,
  now: Date,
): Promise<void> {
  const { cooldownSeconds } = await tx.clusters.get(migration.clusterId);
  const vm = await tx.vms.lock(migration.vmId);
  // Somebody may have ordered it to stop meanwhile: that order holds at the destination too.
  const status = allows(VM_TRANSITIONS, vm.status, to) ? to : vm.status === 'down' ? 'unknown' : vm.status;
  await tx.vms.changeStatus(
    vm.id,
    status,
    {
      hostId: migration.destinationHostId,
      epoch: migration.epoch,
      statusReason: '',
      migrationCount: vm.migrationCount + 1,
      migrationObstacle: null,
      ...restOf(vm, migration, true, cooldownSeconds, now),
    },
    now,
  );
  await tx.migrations.changeStatus(migration.id, 'completed', message, figures, now);
  const took = figures.totalMs == null ? '' : ` in ${milliseconds(figures.totalMs)}`;
  const pause = figures.downtimeMs == null ? '' : `, paused for ${milliseconds(figures.downtimeMs)}`;
  const text = `${migration.vmName} moved from ${migration.sourceHostName} to ${migration.destinationHostName}${took}${pause}`;
  await tx.events.add('info', 'vm.migrated', text, subjectOf(migration), now);
}

/** How long the VM rests now, and what is remembered of its moves. */
function restOf(vm: Vm, { trigger, ...ends }: Migration, hasArrived: boolean, cooldownSeconds: number, now: Date) {
  const { sourceHostId, destinationHostId } = ends;
  const ended = { sourceHostId, destinationHostId, isByPolicy: trigger === 'policy', hasArrived };
  const { recentMoves, cooldownUntilMs } = restAfter(vm.recentMoves, ended, cooldownSeconds * 1000, now.getTime());
  return { recentMoves, cooldownUntil: new Date(cooldownUntilMs) };
}

/** Codes of errors that will be there again if nobody does anything about them. */
const LASTING = ['host_device'];

/** The VM stays, or is where the next reports say it is; what its status becomes is the reconciler's business. */
export async function failMigration(
  tx: Repositories,
  migration: Migration,
  error: MigrationError,
  figures: Partial<Figures>,
  now: Date,
): Promise<void> {
  await tx.migrations.changeStatus(migration.id, 'failed', error.message, { ...figures, error }, now);
  const text = `${migration.vmName} did not move from ${migration.sourceHostName} to ${migration.destinationHostName}: ${error.message}`;
  await tx.events.add('error', 'migration.failed', text, subjectOf(migration), now);
  if (LASTING.includes(error.code)) {
    const vm = await tx.vms.lock(migration.vmId);
    await tx.vms.update(vm, { migrationObstacle: error.message });
  }
  await coolDown(tx, migration, now);
}

export async function cancelMigration(
  tx: Repositories,
  migration: Migration,
  message: string,
  figures: Partial<Figures>,
  now: Date,
): Promise<void> {
  await tx.migrations.changeStatus(migration.id, 'cancelled', message, figures, now);
  const text = `the migration of ${migration.vmName} to ${migration.destinationHostName} was cancelled`;
  await tx.events.add('warning', 'migration.cancelled', text, subjectOf(migration), now);
  await coolDown(tx, migration, now);
}

/** An event for each means that was applied since the source told last. */
export async function tellDecisions(
  tx: Repositories,
  migration: Migration,
  decisions: readonly MigrationDecision[],
  now: Date,
): Promise<void> {
  for (const { reason, by } of decisions.slice(migration.decisions.length)) {
    const text = `${migration.vmName}: ${reason}${by === 'agent' ? ' (decided by its host)' : ''}`;
    await tx.events.add('info', 'migration.step', text, subjectOf(migration), now);
  }
}

/** A policy does not try again at once what has just not worked. */
async function coolDown(tx: Repositories, migration: Migration, now: Date): Promise<void> {
  const { cooldownSeconds } = await tx.clusters.get(migration.clusterId);
  const vm = await tx.vms.lock(migration.vmId);
  await tx.vms.update(vm, restOf(vm, migration, false, cooldownSeconds, now));
}

const subjectOf = ({ id, clusterId, vmId, sourceHostId, planId }: Migration) => ({
  migrationId: id,
  clusterId,
  vmId,
  hostId: sourceHostId,
  planId,
});
