import { Inject, Injectable } from '@nestjs/common';
import {
  type Heartbeat,
  HeartbeatAnswer,
  type HealthState,
  type HostHealth,
  type MigrationReport,
  type MigrationStep,
} from '#contracts';
import { decide } from '#convergence';
import { type Cluster, Database, type Host, type Repositories } from '#database';
import { agentVersionCheck, clockCheck } from '#maintenance';
import { allows, hasEnded, MIGRATION_TRANSITIONS } from '#lifecycle';
import { overUtilizedSince, smooth, smoothingWeight } from '#planner';
import { currentPolicy } from '../clusters/current-policy.js';
import { type Config } from '../config.js';
import { type Log, LOG } from '../log.js';
import { Metrics } from '../metrics/metrics.js';
import { cancelMigration, completeMigration, failMigration, tellDecisions } from '../migrations/lifecycle.js';
import { savePredictions } from '../migrations/prediction.js';
import { Orders } from '../orders.js';
import { hostAnswers } from '../power/operations.js';
import { judgeCopy } from '../reconciler/decide.js';
import { migrationFacts, Reconciler, type Settled, vmFacts } from '../reconciler/reconciler.js';
import { CONFIG } from '../tokens.js';
import { VERSION } from '../version.js';
import { Audience, heartbeatIntervalMs } from './heartbeat-interval.js';
import { isOvertaken } from './heartbeat-order.js';
import { bandwidthsFor } from './bandwidths.js';
import { Peers } from './peers.js';

/** Who sent it waits for no answer any more, or has a clock that was set back: all stays as it is. */
const NO_NEWS = HeartbeatAnswer.parse({
  ...{ forgetVms: [], forgetMigrations: [], destroyVms: [] },
  ...{ peers: null, storagePaths: null },
});

/** News from a host: stores it, acts on it at once, and tells the agent what it may forget or must end. */
@Injectable()
export class HeartbeatService {
  private readonly audience = new Audience();

  constructor(
    private readonly db: Database,
    private readonly reconciler: Reconciler,
    private readonly orders: Orders,
    private readonly metrics: Metrics,
    private readonly peers: Peers,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Log,
  ) {}

  async accept(hostId: string, beat: Heartbeat, now: Date): Promise<HeartbeatAnswer> {
    const accepted = await this.db.transaction(async (tx) => {
      const host = await tx.hosts.lock(hostId);
      if (isOvertaken(new Date(beat.sentAt), host.heartbeatSentAt)) return null;
      const cluster = await tx.clusters.get(host.clusterId);
      const weight = smoothingWeight(host.lastHeartbeatAt, now);
      await this.saveHost(tx, host, cluster, beat, weight, now);
      const forgetCommands = await saveCommands(tx, hostId, beat);
      const vmIds = await tx.vms.lockConcerned(
        hostId,
        beat.vms.map(({ vmId }) => vmId),
      );
      await tx.vms.saveFigures(hostId, beat.vms, weight);
      await tx.reports.save(hostId, beat.vms, now);
      const locked = new Set(vmIds);
      await savePredictions(
        tx,
        hostId,
        beat.probes.filter(({ vmId }) => locked.has(vmId)),
        now,
      );
      const forgetMigrations: string[] = [];
      const completed = await completedNow(tx, beat);
      for (const report of beat.migrations)
        if (await this.saveMigration(tx, hostId, report, now)) forgetMigrations.push(report.migrationId);
      const toTake = await stepsFor(tx, beat);
      const settled = await this.reconciler.settle(tx, await tx.vms.byIds(vmIds), now);
      const copies = judge(hostId, beat, settled);
      const stale = vmIds.filter(
        (id) => settled.vms.get(id)?.hostId !== hostId && !beat.vms.some(({ vmId }) => vmId === id),
      );
      await tx.reports.forget(hostId, stale);
      const finishVms = settled.finishing
        .filter((copy) => copy.hostId === hostId)
        .map(({ vmId, epoch }) => ({ vmId, epoch }));
      const forgetCheckpoints = await tx.vms.notToBeKept(beat.checkpoints.map(({ vmId }) => vmId));
      const { checkpointLimitMiB } = cluster;
      const wantsHealth = host.healthWanted && beat.health === null;
      const forget = { forgetMigrations, forgetCheckpoints, forgetCommands };
      const storagePaths = await tx.storageDomains.localPaths(cluster.id);
      const told = { ...copies, ...forget, finishVms, checkpointLimitMiB, wantsHealth, storagePaths };
      return {
        ...{ answer: told, decided: settled, steps: toTake, news: completed, host },
        bandwidths: await bandwidthsFor(tx, beat),
      };
    });
    if (!accepted) {
      this.log.warn({ hostId, sentAt: beat.sentAt }, 'a heartbeat came after a later one: it says nothing any more');
      return NO_NEWS;
    }
    const { answer, decided, steps, bandwidths, news, host } = accepted;
    for (const copy of answer.destroyVms)
      this.log.warn({ hostId, ...copy }, 'this copy owns nothing; its host is told to end it');
    await this.orders.follow(decided);
    for (const { totalMs, downtimeMs } of news) this.metrics.migrationCompleted(totalMs, downtimeMs);
    const { hostTimeoutMs } = this.config;
    const hosts = this.audience.hear(hostId, now.getTime(), hostTimeoutMs);
    const nextHeartbeatMs = heartbeatIntervalMs(hosts, hostTimeoutMs);
    const network = await this.peers.answer(host, beat.peersDigest, now);
    return { ...answer, ...network, steps, bandwidths, nextHeartbeatMs };
  }

  private async saveHost(
    tx: Repositories,
    host: Host,
    cluster: Cluster,
    beat: Heartbeat,
    weight: number,
    now: Date,
  ): Promise<void> {
    const schedulingPolicy = currentPolicy(cluster);
    const cpuSmoothedCores = smooth(host.cpuSmoothedCores, beat.cpuUsedCores, weight);
    const { agentUrl, agentVersion, tunnelAddress, cpuCores, memoryMiB, cpuUsedCores } = beat;
    const { pressure, isolation, drivers, linkMiBps, checkpoints, hostDevices, storage } = beat;
    const told = beat.health && { health: healthFrom(beat, now), healthAt: now, healthWanted: false };
    if (told) await tellHealth(tx, host, told.health, now);
    const values = {
      ...told,
      agentUrl,
      agentVersion,
      tunnelAddress,
      cpuCores,
      memoryMiB,
      cpuUsedCores,
      pressure,
      isolation,
      drivers,
      linkMiBps,
      checkpoints,
      hostDevices,
      storage,
      cpuSmoothedCores,
      overUtilizedSince: overUtilizedSince(host.overUtilizedSince, cpuSmoothedCores / cpuCores, schedulingPolicy, now),
      lastHeartbeatAt: now,
      heartbeatSentAt: new Date(beat.sentAt),
    };
    const subject = { hostId: host.id, clusterId: host.clusterId };
    const woken = await hostAnswers(tx, host, now);
    if (woken) {
      await tx.hosts.changeStatus(host.id, woken.status, { ...values, ...woken.values }, now);
      if (woken.status === 'up') await tx.events.add('info', 'host.up', `${host.name} may run VMs again`, subject, now);
      return;
    }
    if (host.status !== 'non_responsive') return tx.hosts.update(host.id, values);
    const to = host.statusBeforeLoss ?? 'up';
    const back = { ...values, statusReason: host.maintenanceReason, statusBeforeLoss: null };
    await tx.hosts.changeStatus(host.id, to, back, now);
    await tx.events.add('info', 'host.up', `${host.name} answers again`, subject, now);
  }

  /** True if the agent may forget the migration. */
  private async saveMigration(tx: Repositories, hostId: string, report: MigrationReport, now: Date): Promise<boolean> {
    const { migrationId, status, iterations, error } = report;
    const migration = await tx.migrations.find(migrationId);
    if (!migration || migration.sourceHostId !== hostId) {
      this.log.warn({ hostId, migrationId }, 'a host reports a migration that is not its own; it is told to forget it');
      return true;
    }
    const { progress, downtimeMs, totalMs, downtimeBreakdown, decisions, log } = report;
    const told = log.length > 0 ? { log } : {};
    const figures = { progress, downtimeMs, totalMs, downtimeBreakdown, decisions, reportedAt: now, ...told };
    await tx.migrations.saveIterations(migrationId, iterations);
    await tellDecisions(tx, migration, decisions, now);
    if (hasEnded(migration.status)) {
      if (migration.status === status) await tx.migrations.update(migrationId, figures);
      else
        this.log.warn(
          { migrationId, stored: migration.status, reported: status },
          'a migration ended otherwise than was thought',
        );
      return true;
    }
    if (!allows(MIGRATION_TRANSITIONS, migration.status, status)) {
      this.log.warn({ migrationId, stored: migration.status, reported: status }, 'a migration cannot go back');
      return false;
    }
    if (status === 'completed') {
      const arrived = (await tx.reports.ofVms([migration.vmId])).find(({ epoch }) => epoch === migration.epoch);
      const to = arrived?.status === 'paused' ? 'paused' : 'up';
      await completeMigration(tx, migration, to, `${migration.destinationHostName} runs it`, figures, now);
    } else if (status === 'failed') {
      const unexplained = { code: 'unknown', phase: 'perform', side: 'source', message: 'no cause was given' } as const;
      await failMigration(tx, migration, error ?? unexplained, figures, now);
    } else if (status === 'cancelled') {
      await cancelMigration(tx, migration, error?.message ?? 'as ordered', figures, now);
    } else {
      await tx.migrations.changeStatus(migrationId, status, `reported by ${migration.sourceHostName}`, figures, now);
    }
    if (migration.status !== status)
      this.log.info({ migrationId, vmId: migration.vmId, status, totalMs, downtimeMs }, 'migration');
    return hasEnded(status);
  }
}

/** Reports that tell for the first time that a migration has been completed; sources tell it more than once. */
async function completedNow(tx: Repositories, { migrations }: Heartbeat): Promise<MigrationReport[]> {
  const news: MigrationReport[] = [];
  for (const report of migrations.filter(({ status }) => status === 'completed')) {
    const migration = await tx.migrations.find(report.migrationId);
    const { endedAt, reportedAt } = migration ?? {};
    if (migration && (!endedAt || !reportedAt || reportedAt < endedAt)) news.push(report);
  }
  return news;
}

/** An event when a host becomes worse, or well again. */
async function tellHealth(tx: Repositories, host: Host, health: HostHealth, now: Date): Promise<void> {
  const [before, after] = [worstOf(host.health), worstOf(health)];
  if (before === after) return;
  const found = health.checks.filter(({ state }) => state === after && after !== 'ok').map(({ reason }) => reason);
  const text = `${host.name} is ${HEALTH_WORDS[after]}${found.length > 0 ? `: ${found.join('; ')}` : ''}`;
  const severity = after === 'ok' ? 'info' : after === 'warning' ? 'warning' : 'error';
  await tx.events.add(severity, 'host.health', text, { hostId: host.id, clusterId: host.clusterId }, now);
}

const HEALTH_WORDS = { ok: 'well', warning: 'to be looked after', failed: 'not well' } as const;

/** A host that has told of nothing counts as well. */
function worstOf(health: HostHealth | null): HealthState {
  const states = new Set(health?.checks.map(({ state }) => state));
  return states.has('failed') ? 'failed' : states.has('warning') ? 'warning' : 'ok';
}

/** What the agent has found out, and what its words and their time tell. */
const healthFrom = ({ health, sentAt, agentVersion }: Heartbeat, now: Date): HostHealth => ({
  at: health!.at,
  checks: [...health!.checks, clockCheck(new Date(sentAt), now), agentVersionCheck(agentVersion, VERSION)],
});

/** Keeps what is told of maintenance commands; returns those of which no more has to be told. */
async function saveCommands(tx: Repositories, hostId: string, { commands }: Heartbeat): Promise<string[]> {
  const ended: string[] = [];
  for (const { runId, ...command } of commands) {
    const isKept = await tx.maintenance.saveCommand(runId, hostId, command);
    if (!isKept || command.status !== 'running') ended.push(runId);
  }
  return ended;
}

/** What to do about the migrations that this host tells of, by the figures that it told. */
async function stepsFor(tx: Repositories, { sentAt, migrations }: Heartbeat): Promise<MigrationStep[]> {
  const steps: MigrationStep[] = [];
  for (const { migrationId, status, facts, decisions } of migrations) {
    if (status !== 'precopy' || !facts) continue;
    const { convergence } = await tx.migrations.get(migrationId);
    const { action, step, reason, figures } = decide({ ...facts, decisions }, convergence, Date.parse(sentAt));
    const number = decisions.length + 1;
    if (step) steps.push({ ...step, migrationId, number, reason, figures, restart: action === 'restart' });
  }
  return steps;
}

/** What the agent may forget of its copies, and which of them it must end. */
function judge(hostId: string, { vms: reports }: Heartbeat, { vms, migrations }: Settled) {
  const copies = reports.map(({ vmId, epoch, status }) => {
    const vm = vms.get(vmId);
    const migration = migrations.get(vmId);
    const verdict = judgeCopy(
      { hostId, epoch, status },
      vm ? vmFacts(vm) : null,
      migration ? migrationFacts(migration) : null,
    );
    return { vmId, epoch, verdict };
  });
  const having = (wanted: string) =>
    copies.filter(({ verdict }) => verdict === wanted).map(({ vmId, epoch }) => ({ vmId, epoch }));
  return { forgetVms: having('forget'), destroyVms: having('destroy') };
}
