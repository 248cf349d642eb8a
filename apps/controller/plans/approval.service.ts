import { Injectable } from '@nestjs/common';
import type { DecidePlan, PlannedMove } from '#contracts';
import { Database, type Repositories, type WholePlan } from '#database';
import { nextMoves } from '#planner';
import { BadInput, Refused } from '../http/problems.js';
import { type Order, Orders } from '../orders.js';
import { PlanProgress } from './plan-progress.js';

/** So long a VM is left alone whose move was rejected, where the policy does not say for how long loads last. */
const REST_MINUTES = 30;

/** What people say to plans that wait for them. */
@Injectable()
export class ApprovalService {
  constructor(
    private readonly db: Database,
    private readonly progress: PlanProgress,
    private readonly orders: Orders,
  ) {}

  /** These moves are made, as soon as those that they wait for have arrived. Refused if the cluster has changed. */
  async approve(id: string, { moves, reason }: DecidePlan, actor: string, now: Date): Promise<WholePlan> {
    const { plan, orders, outdated } = await this.decide(id, async (tx, waiting) => {
      const cluster = await tx.clusters.get(waiting.clusterId);
      const why = await this.progress.whyExpired(tx, cluster, waiting);
      if (why !== null) {
        await this.progress.expirePlan(tx, waiting, why, now);
        return { orders: [], outdated: why };
      }
      const positions = chosen(waiting, moves);
      for (const [index, position] of positions.entries()) refuseBeforeOthers(waiting, positions, position, index);
      for (const position of positions)
        await this.progress.setMove(tx, waiting, position, {
          state: 'approved',
          stateReason: reason,
          decidedBy: actor,
        });
      await tx.plans.update(id, { kind: 'applied', status: 'running' });
      Object.assign(waiting, { kind: 'applied', status: 'running' });
      await this.tell(tx, waiting, 'plan.approved', `${actor} approved`, positions, reason, now);
      return { orders: await this.progress.beginNew(tx, waiting, now), outdated: null };
    });
    await this.orders.send(orders);
    if (outdated !== null)
      throw new Refused(`the plan has expired: ${outdated}; the policy makes a new one if there is need for it`);
    return plan;
  }

  /** These moves, and those that wait for them, are not made; their VMs are left where they are for a while. */
  async reject(id: string, { moves, reason }: DecidePlan, actor: string, now: Date): Promise<WholePlan> {
    const { plan } = await this.decide(id, async (tx, waiting) => {
      const positions = chosen(waiting, moves);
      const { policy } = waiting;
      const hasHorizon = policy.name === 'evenly_distributed' || policy.name === 'power_saving';
      const restMinutes = hasHorizon ? policy.parameters.HorizonMinutes : REST_MINUTES;
      for (const position of positions) {
        const decision = { state: 'rejected', stateReason: reason, decidedBy: actor } as const;
        await this.progress.setMove(tx, waiting, position, decision);
      }
      for (const position of nextMoves(waiting.moves).lost) {
        const stateReason = 'a move that it waited for was rejected';
        await this.progress.setMove(tx, waiting, position, { state: 'dropped', stateReason });
      }
      const vmIds = positions.map((position) => waiting.moves[position]!.vmId);
      for (const vm of await tx.vms.lockAll(vmIds))
        await tx.vms.update(vm, { cooldownUntil: new Date(now.getTime() + restMinutes * 60_000) });
      await this.tell(tx, waiting, 'plan.rejected', `${actor} rejected`, positions, reason, now);
      await this.progress.closeIfOver(tx, waiting, now);
      await tx.plans.update(id, { status: waiting.status });
      return { orders: [], outdated: null };
    });
    return plan;
  }

  private decide(
    id: string,
    work: (tx: Repositories, plan: WholePlan) => Promise<{ orders: Order[]; outdated: string | null }>,
  ): Promise<{ plan: WholePlan; orders: Order[]; outdated: string | null }> {
    return this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions((await tx.plans.get(id)).clusterId);
      const plan = await tx.plans.getWhole(id);
      const why = whyNothingWaits(plan);
      if (why !== null) throw new Refused(why);
      const done = await work(tx, plan);
      return { ...done, plan: await tx.plans.getWhole(id) };
    });
  }

  private async tell(
    tx: Repositories,
    plan: WholePlan,
    type: string,
    what: string,
    positions: readonly number[],
    reason: string,
    now: Date,
  ): Promise<void> {
    const names = positions.map((position) => nameOf(plan.moves[position]!)).join(', ');
    const text = `${what} ${names}${reason === '' ? '' : `: ${reason}`}`;
    await tx.events.add('info', type, text, { clusterId: plan.clusterId, planId: plan.id }, now);
  }
}

const nameOf = ({ vmName, sourceHostName, destinationHostName }: PlannedMove): string =>
  `${vmName} from ${sourceHostName} to ${destinationHostName}`;

function whyNothingWaits({ status, statusReason, moves }: WholePlan): string | null {
  if (status === 'recommended')
    return (
      'this plan is a recommendation, since the mode of its cluster is manual; ' +
      'move the VMs yourself, or set planMode to partially_automated'
    );
  if (status === 'expired') return `the plan has expired: ${statusReason}`;
  if (moves.some(({ state }) => state === 'proposed')) return null;
  return status === null
    ? 'a dry run cannot be approved or rejected; it moves nothing'
    : 'nothing of this plan waits for approval any more';
}

/** Positions that are meant. Throws BadInput for those that wait for nobody. */
function chosen({ moves }: WholePlan, asked: readonly number[] | undefined): number[] {
  const waiting = [...moves.keys()].filter((position) => moves[position]!.state === 'proposed');
  if (!asked) return waiting;
  const errors = asked.flatMap((position, index) =>
    waiting.includes(position)
      ? []
      : { field: `moves.${index}`, message: `no move ${position} waits for approval; these do: ${waiting.join(', ')}` },
  );
  if (errors.length > 0) throw new BadInput(errors);
  return [...new Set(asked)];
}

/** A move that waits for another makes no sense without it. */
function refuseBeforeOthers({ moves }: WholePlan, positions: readonly number[], position: number, index: number): void {
  const missing = moves[position]!.waitsFor.find(
    (other) => moves[other]!.state === 'proposed' && !positions.includes(other),
  );
  if (missing === undefined) return;
  const message = `it waits for move ${missing} (${nameOf(moves[missing]!)}); approve that one too`;
  throw new BadInput([{ field: `moves.${index}`, message }]);
}
