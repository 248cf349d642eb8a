import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Id, type Page, pageOf, PlanQuery, PlanView } from '#contracts';
import { Database } from '#database';
import { Returns } from '../http/returns.js';
import { planView } from './plan.view.js';

@ApiTags('plans')
@ApiBearerAuth()
@Controller('plans')
export class PlansController {
  constructor(private readonly db: Database) {}

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
}
