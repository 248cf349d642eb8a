import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import {
  AffinityCheck,
  AffinityGroupQuery,
  AffinityGroupView,
  CheckAffinityGroup,
  CreateAffinityGroup,
  Id,
  type Page,
  pageOf,
  UpdateAffinityGroup,
} from '#contracts';
import { Returns, ReturnsNothing } from '../http/returns.js';
import { AffinityService } from './affinity.service.js';

@ApiTags('affinity groups')
@ApiBearerAuth()
@Controller('affinity-groups')
export class AffinityController {
  constructor(private readonly affinity: AffinityService) {}

  /** The groups of one cluster, with the VMs that break their rules now. */
  @Get()
  @Returns(pageOf(AffinityGroupView))
  list(@Query({ schema: AffinityGroupQuery }) query: AffinityGroupQuery): Promise<Page<AffinityGroupView>> {
    return this.affinity.page(query);
  }

  /** 409 if its hard rules cannot hold together with those that there are; the answer names the groups. */
  @Post()
  @Returns(AffinityGroupView, 201)
  create(@Body({ schema: CreateAffinityGroup }) body: CreateAffinityGroup): Promise<AffinityGroupView> {
    return this.affinity.create(body, new Date());
  }

  /** What would come of a group before it is saved: who would break its rules now, and which rules it contradicts. */
  @Post('check')
  @Returns(AffinityCheck)
  check(@Body({ schema: CheckAffinityGroup }) body: CheckAffinityGroup): Promise<AffinityCheck> {
    return this.affinity.check(body);
  }

  @Get(':id')
  @Returns(AffinityGroupView)
  get(@Param('id', { schema: Id }) id: string): Promise<AffinityGroupView> {
    return this.affinity.get(id);
  }

  /** 409 as for a new one. */
  @Patch(':id')
  @Returns(AffinityGroupView)
  update(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: UpdateAffinityGroup }) body: UpdateAffinityGroup,
  ): Promise<AffinityGroupView> {
    return this.affinity.update(id, body, new Date());
  }

  @Delete(':id')
  @ReturnsNothing()
  remove(@Param('id', { schema: Id }) id: string): Promise<void> {
    return this.affinity.remove(id, new Date());
  }
}
