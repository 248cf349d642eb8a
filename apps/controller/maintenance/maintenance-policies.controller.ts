import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import {
  CalendarQuery,
  CalendarView,
  CreateMaintenancePolicy,
  Id,
  MaintenanceDryRun,
  MaintenancePolicyQuery,
  MaintenancePolicyVersion,
  MaintenancePolicyView,
  type Page,
  pageOf,
  UpdateMaintenancePolicy,
} from '#contracts';
import { Database } from '#database';
import { Returns, ReturnsNothing } from '../http/returns.js';
import { MaintenancePoliciesService, policyView } from './maintenance-policies.service.js';

const Versions = z.object({ items: z.array(MaintenancePolicyVersion) });

@ApiTags('maintenance')
@ApiBearerAuth()
@Controller()
export class MaintenancePoliciesController {
  constructor(
    private readonly db: Database,
    private readonly policies: MaintenancePoliciesService,
  ) {}

  @Get('maintenance-policies')
  @Returns(pageOf(MaintenancePolicyView))
  async list(
    @Query({ schema: MaintenancePolicyQuery }) query: MaintenancePolicyQuery,
  ): Promise<Page<MaintenancePolicyView>> {
    const { items, nextCursor } = await this.db.maintenancePolicies.page(query);
    return { items: items.map((row) => policyView(row, new Date())), nextCursor };
  }

  @Post('maintenance-policies')
  @Returns(MaintenancePolicyView, 201)
  create(@Body({ schema: CreateMaintenancePolicy }) body: CreateMaintenancePolicy): Promise<MaintenancePolicyView> {
    return this.policies.create(body, new Date());
  }

  @Get('maintenance-policies/:id')
  @Returns(MaintenancePolicyView)
  async get(@Param('id', { schema: Id }) id: string): Promise<MaintenancePolicyView> {
    return policyView(await this.db.maintenancePolicies.get(id), new Date());
  }

  /** Makes a new version; 409 if `version` is given and is not the newest one. */
  @Patch('maintenance-policies/:id')
  @Returns(MaintenancePolicyView)
  update(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: UpdateMaintenancePolicy }) body: UpdateMaintenancePolicy,
  ): Promise<MaintenancePolicyView> {
    return this.policies.update(id, body, new Date());
  }

  /** Runs that it has begun go on. */
  @Delete('maintenance-policies/:id')
  @ReturnsNothing()
  remove(@Param('id', { schema: Id }) id: string): Promise<void> {
    return this.policies.remove(id, new Date());
  }

  /** How it was, and who changed it; newest first. */
  @Get('maintenance-policies/:id/versions')
  @Returns(Versions)
  async versions(@Param('id', { schema: Id }) id: string): Promise<{ items: MaintenancePolicyVersion[] }> {
    await this.db.maintenancePolicies.get(id);
    const rows = await this.db.maintenancePolicies.versions(id);
    return {
      items: rows.map(({ version, changedAt, changedBy, policy }) => ({
        version,
        changedAt: changedAt.toISOString(),
        changedBy,
        policy,
      })),
    };
  }

  /** Which hosts it would empty now. Nothing is begun. */
  @Post('maintenance-policies/:id/dry-run')
  @Returns(MaintenanceDryRun)
  dryRun(@Param('id', { schema: Id }) id: string): Promise<MaintenanceDryRun> {
    return this.policies.dryRun(id, new Date());
  }

  /** When windows of policies that hold are open; the next four weeks unless told otherwise. */
  @Get('maintenance-calendar')
  @Returns(CalendarView)
  async calendar(@Query({ schema: CalendarQuery }) query: CalendarQuery): Promise<CalendarView> {
    return { entries: await this.policies.calendar(query, new Date()) };
  }
}
