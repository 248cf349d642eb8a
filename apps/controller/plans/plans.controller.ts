import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { DecidePlan, Id, type Page, pageOf, PlanQuery, PlanView } from '#contracts';
import { Database } from '#database';
import { Actor } from '../auth/actor.js';
import { Returns } from '../http/returns.js';
import { ApprovalService } from './approval.service.js';
import { planView } from './plan.view.js';

@ApiTags('plans')
@ApiBearerAuth()
@Controller('plans')
export class PlansController {
  constructor(
    private readonly db: Database,
    private readonly approval: ApprovalService,
  ) {}

  /** Newest first. */
  @Get()
  @Returns(pageOf(PlanView))
  async list(@Query({ schema: PlanQuery }) query: PlanQuery): Promise<Page<PlanView>> {
    const { items, nextCursor } = await this.db.plans.page(query);
    return { items: items.map(planView), nextCursor };
  }

  @Get(':id')
  @Returns(PlanView)
  async get(@Param('id', { schema: Id }) id: string): Promise<PlanView> {
    return planView(await this.db.plans.getWhole(id));
  }

  /** Its moves (or those that are named) are made. 409 if the cluster has changed since: then the plan expires. */
  @Post(':id/approve')
  @Returns(PlanView)
  async approve(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: DecidePlan }) body: DecidePlan,
    @Actor() actor: string,
  ): Promise<PlanView> {
    return planView(await this.approval.approve(id, body, actor, new Date()));
  }

  /** Its moves (or those that are named, and what waits for them) are not made, and not proposed again for a while. */
  @Post(':id/reject')
  @Returns(PlanView)
  async reject(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: DecidePlan }) body: DecidePlan,
    @Actor() actor: string,
  ): Promise<PlanView> {
    return planView(await this.approval.reject(id, body, actor, new Date()));
  }
}
