import { type EntityManager, In } from 'typeorm';
import type { Page, PlanQuery, PlannedMove, Refusal } from '#contracts';
import { Plan, PlanMove, PlanRefusal } from '../entities/plan.entity.js';
import { page } from '../paging.js';
import { BaseRepository } from './base.js';

/** A plan with its moves and refusals. */
export interface WholePlan extends Omit<Plan, 'seq'> {
  readonly moves: PlannedMove[];
  readonly refusals: Refusal[];
}

type NewPlan = Omit<WholePlan, 'id'>;

const OPEN = ['waiting', 'recommended', 'running'] as const;

export class PlanRepository extends BaseRepository<Plan> {
  constructor(manager: EntityManager) {
    super(manager, Plan, 'plan');
  }

  async page({ clusterId, kind, status, ...paging }: PlanQuery): Promise<Page<WholePlan>> {
    const query = this.rows.createQueryBuilder('row');
    if (clusterId) query.andWhere('row.clusterId = :clusterId', { clusterId });
    if (kind) query.andWhere('row.kind = :kind', { kind });
    if (status) query.andWhere('row.status = :status', { status });
    const { items, nextCursor } = await page(query, paging, { by: 'seq', direction: 'DESC' });
    return { items: await this.whole(items), nextCursor };
  }

  async getWhole(id: string): Promise<WholePlan> {
    const [plan] = await this.whole([await this.get(id)]);
    return plan!;
  }

  async wholeByIds(ids: readonly string[]): Promise<WholePlan[]> {
    return this.whole(await this.byIds(ids));
  }

  /** The last one that was not merely tried. */
  async lastDecision(clusterId: string): Promise<WholePlan | undefined> {
    const where = { clusterId, kind: In(['applied', 'proposed']) };
    const rows = await this.rows.find({ where, order: { seq: 'DESC' }, take: 1 });
    const [plan] = await this.whole(rows);
    return plan;
  }

  async create({ moves, refusals, ...values }: NewPlan): Promise<string> {
    const { id: planId } = await this.rows.save(this.rows.create(values));
    const numbered = <T>(items: readonly T[]) => items.map((item, position) => ({ ...item, planId, position }));
    await this.manager.getRepository(PlanMove).insert(numbered(moves));
    // PostgreSQL takes 65,535 parameters at most.
    for (let first = 0; first < refusals.length; first += 5000)
      await this.manager.getRepository(PlanRefusal).insert(numbered(refusals).slice(first, first + 5000));
    return planId;
  }

  /** Plans that are not over: they wait for approval, or some of their moves do not. The oldest first. */
  async open(clusterId: string): Promise<WholePlan[]> {
    const where = { clusterId, status: In(OPEN) };
    return this.whole(await this.rows.find({ where, order: { seq: 'ASC' } }));
  }

  /** Clusters that have such plans. */
  async clustersWithOpen(): Promise<string[]> {
    const rows = await this.rows.find({ select: { clusterId: true }, where: { status: In(OPEN) } });
    return [...new Set(rows.map(({ clusterId }) => clusterId))];
  }

  async update(id: string, values: Partial<Pick<Plan, 'kind' | 'status' | 'statusReason' | 'endedAt'>>): Promise<void> {
    await this.rows.update({ id }, values);
  }

  async updateMove(planId: string, position: number, values: Partial<PlannedMove>): Promise<void> {
    await this.manager.getRepository(PlanMove).update({ planId, position }, values);
  }

  private async whole(plans: readonly Plan[]): Promise<WholePlan[]> {
    const where = { planId: In(plans.map(({ id }) => id)) };
    const order = { position: 'ASC' } as const;
    const moves = await this.manager.getRepository(PlanMove).find({ where, order });
    const refusals = await this.manager.getRepository(PlanRefusal).find({ where, order });
    return plans.map((plan) => ({
      ...plan,
      moves: moves.filter(({ planId }) => planId === plan.id),
      refusals: refusals.filter(({ planId }) => planId === plan.id),
    }));
  }
}
