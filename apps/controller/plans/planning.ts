import { Inject, Injectable } from '@nestjs/common';
import type { Refusal, SchedulingPolicy } from '#contracts';
import { type Cluster, Database, type Host, type Repositories, type WholePlan } from '#database';
import { type ClusterFacts, type Plan, plan } from '#planner';
import { currentPolicy } from '../clusters/current-policy.js';
import { limitsOf } from '../clusters/limits.js';
import { type Log, LOG } from '../log.js';
import { Metrics } from '../metrics/metrics.js';
import { type Order, Orders } from '../orders.js';
import { withPredictions } from '../migrations/predicted-facts.js';
import { watchLoads } from '../policy-loop/load-watch.js';
import { watchWindow } from '../policy-loop/window-watch.js';
import { forecastFor, observeLoad } from '../power/forecast.js';
import { beginHostActions } from '../power/host-actions.js';
import { carriedOut, named, withMoves } from './named-plan.js';
import { isOrdered, PlanProgress } from './plan-progress.js';

/** Asks the planner, keeps its answer, and begins what it says, or proposes it to people: as the cluster's mode wants it. */
@Injectable()
export class Planning {
  constructor(
    private readonly db: Database,
    private readonly progress: PlanProgress,
    private readonly orders: Orders,
    private readonly metrics: Metrics,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** What `policy` (or the cluster's own) would do now. Kept, so that people can come back to it; nothing moves. */
  dryRun(clusterId: string, policy: SchedulingPolicy | undefined, now: Date): Promise<WholePlan> {
    return this.db.transaction(async (tx) => {
      const cluster = await tx.clusters.get(clusterId);
      const present = await withPredictions(tx, cluster, await tx.facts.toPlan(clusterId), now);
      const facts = await forecastFor(tx, cluster, present, now);
      const result = this.ask(facts, cluster, policy ?? currentPolicy(cluster), now);
      const id = await tx.plans.create(named(result, facts, cluster, policy ?? currentPolicy(cluster), now));
      return tx.plans.getWhole(id);
    });
  }

  /** One turn of the policy loop for one cluster. */
  async apply(clusterId: string, now: Date): Promise<void> {
    await this.observe(clusterId, now);
    await this.orders.send(await this.goOn(clusterId, now));
    const { cluster, facts, result, planIds, orders } = await this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions(clusterId);
      const decided = await tx.clusters.get(clusterId);
      const present = await withPredictions(tx, decided, await tx.facts.toPlan(clusterId), now);
      await observeLoad(tx, decided, present, now);
      const known = await forecastFor(tx, decided, present, now);
      const answer = this.ask(known, decided, currentPolicy(decided), now);
      const hostActions = await beginHostActions(tx, hostActionsFor(decided, answer), now);
      const kept = await this.keep(tx, decided, known, { ...answer, hostActions }, now);
      return { cluster: decided, facts: known, result: answer, ...kept };
    });
    if (planIds.length > 0)
      this.log.info({ clusterId, planIds, orders: orders.length, summary: result.summary }, 'plan');
    await this.orders.send(orders);
    await this.db.transaction((tx) => this.finishMaintenance(tx, cluster, facts, result, now));
  }

  // Both have transactions of their own: they lock VMs, and no VM may be locked while the planner thinks, or before a host is.

  private observe(clusterId: string, now: Date): Promise<void> {
    return this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions(clusterId);
      await watchLoads(tx, clusterId, now);
    });
  }

  /** What earlier plans have left to do. */
  private goOn(clusterId: string, now: Date): Promise<Order[]> {
    return this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions(clusterId);
      const cluster = await watchWindow(tx, await tx.clusters.get(clusterId), now);
      const orders = await this.progress.advance(tx, cluster, now, { always: true });
      await this.progress.expire(tx, cluster, now);
      return orders;
    });
  }

  private ask(facts: ClusterFacts, cluster: Cluster, policy: SchedulingPolicy, now: Date): Plan {
    const began = performance.now();
    const result = plan(facts, policy, limitsOf(cluster), now.getTime());
    this.metrics.planned(performance.now() - began);
    return result;
  }

  /** Begins what may be made at once, proposes the rest; keeps also what refuses other things than the last plan. */
  private async keep(
    tx: Repositories,
    cluster: Cluster,
    facts: ClusterFacts,
    result: Plan,
    now: Date,
  ): Promise<{ planIds: string[]; orders: Order[] }> {
    const whole = named(result, facts, cluster, currentPolicy(cluster), now);
    if (whole.moves.length === 0 && whole.hostActions.length === 0) {
      const last = await tx.plans.lastDecision(cluster.id);
      if (sameRefusals(last?.refusals ?? [], whole.refusals)) return { planIds: [], orders: [] };
      return { planIds: [await tx.plans.create(carriedOut(whole))], orders: [] };
    }
    const planIds: string[] = [];
    const orders: Order[] = [];
    const isAutomatic = cluster.planMode === 'automatic';
    const atOnce = isAutomatic ? whole : withMoves(whole, isOrdered);
    if (atOnce.moves.length > 0 || atOnce.hostActions.length > 0) {
      const begun = await tx.plans.getWhole(await tx.plans.create(carriedOut(atOnce)));
      orders.push(...(await this.progress.beginNew(tx, begun, now)));
      await this.tell(tx, cluster, begun, 'plan.applied', whole.summary);
      planIds.push(begun.id);
    }
    const rest = isAutomatic ? null : withMoves(whole, (move) => !isOrdered(move));
    if (rest && rest.moves.length > 0 && !(await this.hasProposal(tx, cluster.id))) {
      const isManual = cluster.planMode === 'manual';
      const status = isManual ? 'recommended' : 'waiting';
      const proposed = await tx.plans.getWhole(
        await tx.plans.create({ ...rest, hostActions: [], kind: 'proposed', status }),
      );
      const text = isManual ? 'recommended' : 'waits for approval';
      await this.tell(
        tx,
        cluster,
        proposed,
        isManual ? 'plan.recommended' : 'plan.waiting',
        `${text}: ${whole.summary}`,
      );
      planIds.push(proposed.id);
    }
    return { planIds, orders };
  }

  private async hasProposal(tx: Repositories, clusterId: string): Promise<boolean> {
    return (await tx.plans.open(clusterId)).some(({ moves }) => moves.some(({ state }) => state === 'proposed'));
  }

  private async tell(tx: Repositories, cluster: Cluster, made: WholePlan, type: string, text: string): Promise<void> {
    const subject = { clusterId: cluster.id, planId: made.id };
    await tx.events.add('info', type, `${cluster.name}: ${text}`, subject, made.createdAt);
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

/** Hosts are woken in any mode, since VMs need them; nobody but people switches them off where plans are not automatic. */
const hostActionsFor = ({ planMode }: Cluster, { hostActions }: Plan): Plan['hostActions'] =>
  hostActions.filter(({ action }) => planMode === 'automatic' || action === 'activate' || action === 'power_on');

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
