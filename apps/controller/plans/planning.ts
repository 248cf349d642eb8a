import { Inject, Injectable } from '@nestjs/common';
import type { PlannedMove, Refusal, SchedulingPolicy } from '#contracts';
import { type Cluster, Database, type Host, type Repositories, type WholePlan } from '#database';
import { type ClusterFacts, type Plan, plan } from '#planner';
import { limitsOf } from '../clusters/limits.js';
import { type Log, LOG } from '../log.js';
import { Metrics } from '../metrics/metrics.js';
import { beginMigration } from '../migrations/lifecycle.js';
import { watchLoads } from '../policy-loop/load-watch.js';
import { type Order, Orders } from '../orders.js';
import { forecastFor, observeLoad } from '../power/forecast.js';
import { beginHostActions } from '../power/host-actions.js';

type NewPlan = Omit<WholePlan, 'id'>;

/** Asks the planner, keeps its answer, and begins what it says. */
@Injectable()
export class Planning {
  constructor(
    private readonly db: Database,
    private readonly orders: Orders,
    private readonly metrics: Metrics,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** What `policy` (or the cluster's own) would do now. Kept, so that people can come back to it; nothing moves. */
  dryRun(clusterId: string, policy: SchedulingPolicy | undefined, now: Date): Promise<WholePlan> {
    return this.db.transaction(async (tx) => {
      const cluster = await tx.clusters.get(clusterId);
      const facts = await forecastFor(tx, cluster, await tx.facts.ofCluster(clusterId), now);
      const result = this.ask(facts, cluster, policy ?? cluster.schedulingPolicy, now);
      const id = await tx.plans.create(
        named(result, facts, cluster, policy ?? cluster.schedulingPolicy, 'dry_run', now),
      );
      return tx.plans.getWhole(id);
    });
  }

  /** One turn of the policy loop for one cluster. */
  async apply(clusterId: string, now: Date): Promise<void> {
    const { cluster, facts, result, begun } = await this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions(clusterId);
      await watchLoads(tx, clusterId, now);
      const decided = await tx.clusters.get(clusterId);
      const present = await tx.facts.ofCluster(clusterId);
      await observeLoad(tx, decided, present, now);
      const known = await forecastFor(tx, decided, present, now);
      const answer = this.ask(known, decided, decided.schedulingPolicy, now);
      await beginHostActions(tx, answer.hostActions, now);
      return {
        cluster: decided,
        facts: known,
        result: answer,
        begun: await this.begin(tx, decided, known, answer, now),
      };
    });
    if (begun) {
      this.log.info({ clusterId, planId: begun.planId, orders: begun.orders.length, summary: result.summary }, 'plan');
      await this.orders.send(begun.orders);
    }
    await this.db.transaction((tx) => this.finishMaintenance(tx, cluster, facts, result, now));
  }

  private ask(facts: ClusterFacts, cluster: Cluster, policy: SchedulingPolicy, now: Date): Plan {
    const began = performance.now();
    const result = plan(facts, policy, limitsOf(cluster), now.getTime());
    this.metrics.planned(performance.now() - began);
    return result;
  }

  /** Keeps a plan that moves something, or that refuses other things than the last one. */
  private async begin(
    tx: Repositories,
    cluster: Cluster,
    facts: ClusterFacts,
    result: Plan,
    now: Date,
  ): Promise<{ planId: string; orders: Order[] } | null> {
    const answer = named(result, facts, cluster, cluster.schedulingPolicy, 'applied', now);
    if (answer.moves.length === 0) {
      const last = await tx.plans.lastApplied(cluster.id);
      if (sameRefusals(last?.refusals ?? [], answer.refusals)) return null;
    }
    const planId = await tx.plans.create(answer);
    const orders: Order[] = [];
    await tx.vms.lockAll(result.moves.map(({ vmId }) => vmId));
    for (const [position, move] of result.moves.entries()) {
      const vm = await tx.vms.get(move.vmId);
      if (vm.status !== 'up' || vm.hostId !== move.sourceHostId) continue; // a heartbeat came between facts and lock
      const source = await tx.hosts.get(move.sourceHostId);
      const destination = await tx.hosts.get(move.destinationHostId);
      const trigger = move.kind === 'evacuation' ? 'maintenance' : 'policy';
      const migration = await beginMigration(
        tx,
        { vm, source, destination, trigger, reason: move.reason, planId },
        now,
      );
      await tx.plans.link(planId, position, migration.id);
      orders.push(await this.orders.migrateOrder(tx, migration, vm));
    }
    if (answer.moves.length > 0)
      await tx.events.add(
        'info',
        'plan.applied',
        `${cluster.name}: ${answer.summary}`,
        { clusterId: cluster.id, planId },
        now,
      );
    return { planId, orders };
  }

  /** A host that is to be emptied and is empty is in maintenance; one that is not says what keeps it. */
  private async finishMaintenance(
    tx: Repositories,
    cluster: Cluster,
    facts: ClusterFacts,
    result: Plan,
    now: Date,
  ): Promise<void> {
    const hosts = await tx.hosts.withStatus(cluster.id, 'preparing_for_maintenance');
    const usageOf = await tx.hosts.usage(hosts.map(({ id }) => id));
    for (const host of hosts) {
      const { vmCount, migrationCount } = usageOf(host.id);
      if (vmCount === 0 && migrationCount === 0) {
        await tx.hosts.changeStatus(host.id, 'maintenance', { statusReason: host.maintenanceReason }, now);
        const subject = { hostId: host.id, clusterId: cluster.id };
        await tx.events.add('info', 'host.maintenance', `${host.name} is empty and in maintenance`, subject, now);
        continue;
      }
      const statusReason = [host.maintenanceReason, ...obstacles(host, facts, result)].join('; ');
      if (statusReason !== host.statusReason) await tx.hosts.update(host.id, { statusReason });
    }
  }
}

/** For each VM on the host that cannot leave now: why. */
function obstacles(host: Host, facts: ClusterFacts, { refusals }: Plan): string[] {
  return facts.vms
    .filter(({ hostId }) => hostId === host.id)
    .flatMap(({ id, name }) => {
      const own = refusals.filter(({ vmId }) => vmId === id);
      const whole = own.filter(({ hostId }) => hostId === null);
      const reasons = (whole.length > 0 ? whole : own).map(({ reason }) => reason);
      return reasons.length > 0 ? [`${name} stays for now: ${reasons.join(', ')}`] : [];
    });
}

const sameRefusals = (a: readonly Refusal[], b: readonly Refusal[]): boolean => {
  const keys = (refusals: readonly Refusal[]) =>
    refusals.map(({ vmId, hostId, reason }) => `${vmId} ${hostId} ${reason}`).toSorted();
  return JSON.stringify(keys(a)) === JSON.stringify(keys(b));
};

/** The planner speaks of ids; people read names. */
export function named(
  { moves, refusals, imbalanceBefore, imbalanceAfter, summary }: Plan,
  facts: ClusterFacts,
  cluster: Cluster,
  policy: SchedulingPolicy,
  kind: WholePlan['kind'],
  createdAt: Date,
): NewPlan {
  const hostNames = new Map(facts.hosts.map(({ id, name }) => [id, name]));
  const vmNames = new Map(facts.vms.map(({ id, name }) => [id, name]));
  const hostName = (id: string) => hostNames.get(id) ?? id;
  const vmName = (id: string) => vmNames.get(id) ?? id;
  return {
    clusterId: cluster.id,
    kind,
    policy,
    imbalanceBefore,
    imbalanceAfter,
    summary,
    createdAt,
    moves: moves.map(({ vmId, sourceHostId, destinationHostId, reason, gain }): PlannedMove => ({
      vmId,
      vmName: vmName(vmId),
      reason,
      gain,
      migrationId: null,
      sourceHostId,
      sourceHostName: hostName(sourceHostId),
      destinationHostId,
      destinationHostName: hostName(destinationHostId),
    })),
    refusals: refusals.map(({ vmId, hostId, reason }): Refusal => ({
      vmId,
      vmName: vmId === null ? null : vmName(vmId),
      reason,
      hostId,
      hostName: hostId === null ? null : hostName(hostId),
    })),
  };
}
