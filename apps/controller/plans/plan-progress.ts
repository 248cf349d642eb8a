import { isDeepStrictEqual } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import type { PlannedMove } from '#contracts';
import { type Cluster, Database, type Repositories, type WholePlan } from '#database';
import { hasEnded } from '#lifecycle';
import { nextMoves, nextSteps, whyOutdated } from '#planner';
import { currentPolicy } from '../clusters/current-policy.js';
import { limitsOf } from '../clusters/limits.js';
import { type Log, LOG } from '../log.js';
import { beginMigration } from '../migrations/lifecycle.js';
import { type Order, Orders } from '../orders.js';

/** Moves that are over, one way or the other. */
const OVER: ReadonlySet<PlannedMove['state']> = new Set(['rejected', 'completed', 'failed', 'dropped']);
/** What people have ordered by emptying a host; no policy is asked about it, whatever the cluster's mode. */
export const isOrdered = ({ kind }: Pick<PlannedMove, 'kind'>): boolean =>
  kind === 'evacuation' || kind === 'make_room';

/** Carries plans out, move by move. What is under way is in rows, so whichever controller comes next goes on with it. */
@Injectable()
export class PlanProgress {
  constructor(
    private readonly db: Database,
    private readonly orders: Orders,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Follows the migrations of the cluster's plans; where one has ended, those that waited for it begin. */
  async follow(clusterId: string, now: Date): Promise<void> {
    const orders = await this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions(clusterId);
      return this.advance(tx, await tx.clusters.get(clusterId), now, { always: false });
    });
    await this.orders.send(orders);
  }

  /**
   * The same within a transaction that has the lock on decisions; the caller sends the orders.
   * @param always also looks at moves that could not begin when they were looked at last.
   */
  async advance(tx: Repositories, cluster: Cluster, now: Date, { always }: { always: boolean }): Promise<Order[]> {
    const plans = await tx.plans.open(cluster.id);
    const due: WholePlan[] = [];
    for (const plan of plans) if ((await this.followMigrations(tx, plan)) || always) due.push(plan);
    // All at once, by id: one after the other, as moves come, would be in the way of heartbeats.
    await tx.vms.lockAll(due.flatMap(({ moves }) => moves.flatMap(({ state, vmId }) => (OVER.has(state) ? [] : vmId))));
    const orders: Order[] = [];
    for (const plan of due) orders.push(...(await this.beginNext(tx, cluster, plan, now)));
    for (const plan of plans) await this.closeIfOver(tx, plan, now);
    return orders;
  }

  /** Begins those moves of a plan that wait for nothing, as it was just made. */
  async beginNew(tx: Repositories, plan: WholePlan, now: Date): Promise<Order[]> {
    const { ready } = nextMoves(plan.moves);
    await tx.vms.lockAll(ready.map((position) => plan.moves[position]!.vmId));
    const orders: Order[] = [];
    for (const position of ready) orders.push(...(await this.begin(tx, plan, position, now)));
    await this.closeIfOver(tx, plan, now);
    return orders;
  }

  /** Plans that wait for approval, and do not fit the cluster any more, expire. */
  async expire(tx: Repositories, cluster: Cluster, now: Date): Promise<void> {
    const waiting = (await tx.plans.open(cluster.id)).filter(({ moves }) => moves.some(isProposed));
    for (const plan of waiting) {
      const why = await this.whyExpired(tx, cluster, plan);
      if (why !== null) await this.expirePlan(tx, plan, why, now);
    }
  }

  async whyExpired(tx: Repositories, cluster: Cluster, plan: WholePlan): Promise<string | null> {
    if (cluster.planMode === 'automatic') return 'the cluster carries its plans out by itself now';
    if ((plan.status === 'recommended') !== (cluster.planMode === 'manual'))
      return `the cluster's mode is ${cluster.planMode} now`;
    if (!isDeepStrictEqual(plan.policy, currentPolicy(cluster))) return 'the scheduling policy has been changed since';
    const left = withPositions(plan.moves, (move) => isProposed(move) || move.state === 'approved');
    return whyOutdated(await tx.facts.asItIs(cluster.id), left, plan.policy, limitsOf(cluster));
  }

  async expirePlan(tx: Repositories, plan: WholePlan, why: string, now: Date): Promise<void> {
    for (const [position, move] of plan.moves.entries())
      if (isProposed(move)) await this.setMove(tx, plan, position, { state: 'dropped', stateReason: why });
    if (plan.status !== 'running') await this.close(tx, plan, 'expired', why, now);
    else await this.closeIfOver(tx, plan, now);
    const subject = { clusterId: plan.clusterId, planId: plan.id };
    await tx.events.add('info', 'plan.expired', `a plan that waited for approval has expired: ${why}`, subject, now);
  }

  async setMove(
    tx: Repositories,
    plan: WholePlan,
    position: number,
    values: Partial<Pick<PlannedMove, 'state' | 'stateReason' | 'decidedBy' | 'migrationId'>>,
  ): Promise<void> {
    await tx.plans.updateMove(plan.id, position, values);
    Object.assign(plan.moves[position]!, values);
  }

  async closeIfOver(tx: Repositories, plan: WholePlan, now: Date): Promise<void> {
    if (plan.status === 'completed' || !plan.moves.every(({ state }) => OVER.has(state))) return;
    const isRefused = plan.moves.every(({ state }) => state === 'rejected' || state === 'dropped');
    const decided = plan.moves.find(({ state }) => state === 'rejected');
    if (isRefused && decided) await this.close(tx, plan, 'rejected', decided.stateReason, now);
    else await this.close(tx, plan, 'completed', '', now);
  }

  private async close(
    tx: Repositories,
    plan: WholePlan,
    status: NonNullable<WholePlan['status']>,
    statusReason: string,
    endedAt: Date,
  ): Promise<void> {
    await tx.plans.update(plan.id, { status, statusReason, endedAt });
    Object.assign(plan, { status, statusReason, endedAt });
  }

  /** True if a migration of the plan has ended since. */
  private async followMigrations(tx: Repositories, plan: WholePlan): Promise<boolean> {
    let hasMoved = false;
    for (const [position, { state, migrationId }] of plan.moves.entries()) {
      if (state !== 'started' || migrationId === null) continue;
      const { status, error } = await tx.migrations.get(migrationId);
      if (!hasEnded(status)) continue;
      const failure = { state: 'failed', stateReason: error?.message ?? `its migration was ${status}` } as const;
      await this.setMove(tx, plan, position, status === 'completed' ? { state: 'completed' } : failure);
      hasMoved = true;
    }
    return hasMoved;
  }

  /** The VMs' rows are locked. */
  private async beginNext(tx: Repositories, cluster: Cluster, plan: WholePlan, now: Date): Promise<Order[]> {
    const { ready, lost } = nextMoves(plan.moves);
    if (ready.length === 0 && lost.length === 0) return [];
    const orders: Order[] = [];
    const facts = await tx.facts.asItIs(cluster.id);
    for (const step of nextSteps(facts, plan.moves, plan.policy, limitsOf(cluster))) {
      if (step.action === 'begin') orders.push(...(await this.begin(tx, plan, step.position, now)));
      else await this.setMove(tx, plan, step.position, { state: 'dropped', stateReason: step.reason });
    }
    return orders;
  }

  /** The VM's row is locked. */
  private async begin(tx: Repositories, plan: WholePlan, position: number, now: Date): Promise<Order[]> {
    const move = plan.moves[position]!;
    const vm = await tx.vms.get(move.vmId);
    if (vm.status !== 'up' || vm.hostId !== move.sourceHostId) {
      const stateReason = `${vm.name} is ${vm.status}, or not on ${move.sourceHostName} any more`;
      await this.setMove(tx, plan, position, { state: 'dropped', stateReason });
      return [];
    }
    const source = await tx.hosts.get(move.sourceHostId);
    const destination = await tx.hosts.get(move.destinationHostId);
    const trigger = move.kind === 'evacuation' ? 'maintenance' : 'policy';
    const beginning = { vm, source, destination, trigger, reason: move.reason, planId: plan.id } as const;
    const migration = await beginMigration(tx, beginning, now);
    await this.setMove(tx, plan, position, { state: 'started', migrationId: migration.id });
    await tx.plans.update(plan.id, { status: plan.status }); // tells those who watch the plan
    this.log.debug({ planId: plan.id, position, migrationId: migration.id }, 'a move of a plan begins');
    return [await this.orders.migrateOrder(tx, migration, vm)];
  }
}

const isProposed = ({ state }: PlannedMove): boolean => state === 'proposed';

/** These moves as a list of their own, which wait for each other by their positions there. */
function withPositions(moves: readonly PlannedMove[], isPart: (move: PlannedMove) => boolean): PlannedMove[] {
  const part = moves.filter(isPart);
  return part.map((move) => ({
    ...move,
    waitsFor: move.waitsFor.map((position) => part.indexOf(moves[position]!)).filter((position) => position >= 0),
  }));
}
