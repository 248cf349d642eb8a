import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import {
  CancelMaintenanceRun,
  CreateMaintenanceRuns,
  Id,
  MaintenanceReport,
  MaintenanceRollout,
  MaintenanceRunQuery,
  MaintenanceRunView,
  type Page,
  pageOf,
  ReportMaintenance,
  RequestMaintenance,
  UpdateMaintenanceRun,
} from '#contracts';
import { Database, type MaintenanceRun } from '#database';
import { Returns } from '../http/returns.js';
import { MaintenanceReports } from './maintenance-reports.js';
import { maintenanceRunViews } from './maintenance-run.view.js';
import { MaintenanceRunsService } from './maintenance-runs.service.js';

@ApiTags('maintenance')
@ApiBearerAuth()
@Controller()
export class MaintenanceRunsController {
  constructor(
    private readonly db: Database,
    private readonly runs: MaintenanceRunsService,
    private readonly reports: MaintenanceReports,
  ) {}

  /** Newest first. */
  @Get('maintenance-runs')
  @Returns(pageOf(MaintenanceRunView))
  async list(@Query({ schema: MaintenanceRunQuery }) query: MaintenanceRunQuery): Promise<Page<MaintenanceRunView>> {
    const { items, nextCursor } = await this.db.maintenance.page(query);
    return { items: await maintenanceRunViews(this.db, items), nextCursor };
  }

  /** By hand: hosts go through maintenance in groups; it stops at the first group that fails. */
  @Post('maintenance-runs')
  @Returns(MaintenanceRollout, 201)
  async create(@Body({ schema: CreateMaintenanceRuns }) body: CreateMaintenanceRuns): Promise<MaintenanceRollout> {
    const runs = await this.runs.create(body, new Date());
    return { rolloutId: runs[0]!.rolloutId, runs: await maintenanceRunViews(this.db, runs) };
  }

  @Get('maintenance-runs/:id')
  @Returns(MaintenanceRunView)
  get(@Param('id', { schema: Id }) id: string): Promise<MaintenanceRunView> {
    return this.view(this.db.maintenance.get(id));
  }

  /** What is to become of VMs that cannot leave. */
  @Patch('maintenance-runs/:id')
  @Returns(MaintenanceRunView)
  async update(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: UpdateMaintenanceRun }) { choices }: UpdateMaintenanceRun,
  ): Promise<MaintenanceRunView> {
    return this.view(this.runs.choose(id, choices));
  }

  /** Until its action has begun. */
  @Post('maintenance-runs/:id/pause')
  @Returns(MaintenanceRunView, 202)
  pause(@Param('id', { schema: Id }) id: string): Promise<MaintenanceRunView> {
    return this.view(this.runs.pause(id, new Date()));
  }

  @Post('maintenance-runs/:id/resume')
  @Returns(MaintenanceRunView, 202)
  resume(@Param('id', { schema: Id }) id: string): Promise<MaintenanceRunView> {
    return this.view(this.runs.resume(id, new Date()));
  }

  /** The host goes back to work. */
  @Post('maintenance-runs/:id/cancel')
  @Returns(MaintenanceRunView, 202)
  cancel(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: CancelMaintenanceRun }) { returnVms }: CancelMaintenanceRun,
  ): Promise<MaintenanceRunView> {
    return this.view(this.runs.cancel(id, returnVms, new Date()));
  }

  /** For other systems: a policy with the trigger `request` decides what comes of it. */
  @Post('hosts/:id/maintenance-requests')
  @Returns(MaintenanceRunView, 202)
  request(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: RequestMaintenance }) body: RequestMaintenance,
  ): Promise<MaintenanceRunView> {
    return this.view(this.runs.request(id, body, new Date()));
  }

  /** Could the host be emptied now, where would its VMs go, and how long would it take? Nothing moves. */
  @Post('hosts/:id/maintenance-report')
  @Returns(MaintenanceReport)
  async hostReport(@Param('id', { schema: Id }) id: string): Promise<MaintenanceReport> {
    return this.reports.of((await this.db.hosts.get(id)).clusterId, [id], new Date());
  }

  /** The same for several hosts of a cluster at once. */
  @Post('clusters/:id/maintenance-report')
  @Returns(MaintenanceReport)
  clusterReport(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: ReportMaintenance }) { hostIds }: ReportMaintenance,
  ): Promise<MaintenanceReport> {
    return this.reports.of(id, hostIds, new Date());
  }

  private async view(run: Promise<MaintenanceRun>): Promise<MaintenanceRunView> {
    const [view] = await maintenanceRunViews(this.db, [await run]);
    return view!;
  }
}
