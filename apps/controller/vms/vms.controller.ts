import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import {
  ConsoleInput,
  ConsoleQuery,
  ConsoleView,
  CreateVm,
  Id,
  MigrateVm,
  MigrationHop,
  MigrationPrediction,
  MigrationView,
  type Page,
  pageOf,
  PageQuery,
  PlacementView,
  StartVm,
  StopVm,
  UpdateVm,
  VmQuery,
  VmView,
} from '#contracts';
import { Database } from '#database';
import { AgentClient } from '../agents/agent-client.js';
import { Refused } from '../http/problems.js';
import { Returns, ReturnsNothing } from '../http/returns.js';
import { migrationHop, migrationView } from '../migrations/migration.view.js';
import { PredictionService } from '../migrations/prediction.service.js';
import { vmView } from './vm.view.js';
import { VmsService } from './vms.service.js';

@ApiTags('VMs')
@ApiBearerAuth()
@Controller('vms')
export class VmsController {
  constructor(
    private readonly db: Database,
    private readonly vms: VmsService,
    private readonly predictions: PredictionService,
    private readonly agents: AgentClient,
  ) {}

  @Get()
  @Returns(pageOf(VmView))
  async list(@Query({ schema: VmQuery }) query: VmQuery): Promise<Page<VmView>> {
    const { items, nextCursor } = await this.db.vms.page(query);
    return { items: items.map(vmView), nextCursor };
  }

  /** Creates the VM and, unless told otherwise, starts it where the scheduler sees fit. */
  @Post()
  @Returns(VmView, 201)
  async create(@Body({ schema: CreateVm }) body: CreateVm): Promise<VmView> {
    return vmView(await this.vms.create(body, new Date()));
  }

  @Get(':id')
  @Returns(VmView)
  async get(@Param('id', { schema: Id }) id: string): Promise<VmView> {
    return vmView(await this.db.vms.get(id));
  }

  /** Labels, and who may move it. */
  @Patch(':id')
  @Returns(VmView)
  async update(@Param('id', { schema: Id }) id: string, @Body({ schema: UpdateVm }) body: UpdateVm): Promise<VmView> {
    return vmView(await this.vms.update(id, body));
  }

  /** Why is it here, and why does it not move? The scores of every host. */
  @Get(':id/placement')
  @Returns(PlacementView)
  placement(@Param('id', { schema: Id }) id: string): Promise<PlacementView> {
    return this.vms.placement(id, new Date());
  }

  /** Only a VM that is down can be deleted. */
  @Delete(':id')
  @ReturnsNothing()
  remove(@Param('id', { schema: Id }) id: string): Promise<void> {
    return this.vms.remove(id, new Date());
  }

  @Post(':id/start')
  @Returns(VmView, 202)
  async start(@Param('id', { schema: Id }) id: string, @Body({ schema: StartVm }) body: StartVm): Promise<VmView> {
    return vmView(await this.vms.start(id, body.hostId, new Date()));
  }

  @Post(':id/stop')
  @Returns(VmView, 202)
  async stop(@Param('id', { schema: Id }) id: string, @Body({ schema: StopVm }) body: StopVm): Promise<VmView> {
    return vmView(await this.vms.stop(id, body.mode, new Date()));
  }

  @Post(':id/pause')
  @Returns(VmView, 202)
  async pause(@Param('id', { schema: Id }) id: string): Promise<VmView> {
    return vmView(await this.vms.pauseOrResume(id, 'pause'));
  }

  @Post(':id/resume')
  @Returns(VmView, 202)
  async resume(@Param('id', { schema: Id }) id: string): Promise<VmView> {
    return vmView(await this.vms.pauseOrResume(id, 'resume'));
  }

  /** Moves the VM while it runs; without a destination, the scheduler chooses one. */
  @Post(':id/migrate')
  @Returns(MigrationView, 202)
  async migrate(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: MigrateVm }) body: MigrateVm,
  ): Promise<MigrationView> {
    return migrationView(await this.vms.migrate(id, body, new Date()));
  }

  /** All its moves, the latest first, whatever has become of the hosts. */
  @Get(':id/migrations')
  @Returns(pageOf(MigrationHop))
  async migrations(
    @Param('id', { schema: Id }) id: string,
    @Query({ schema: PageQuery }) query: PageQuery,
  ): Promise<Page<MigrationHop>> {
    const { items, nextCursor } = await this.db.migrations.page({ ...query, vmId: id });
    return { items: items.map(migrationHop), nextCursor };
  }

  /** What a move would take, measured now: a second of what the guest writes. */
  @Get(':id/migration-prediction')
  @Returns(MigrationPrediction)
  prediction(@Param('id', { schema: Id }) id: string): Promise<MigrationPrediction> {
    return this.predictions.predict(id, new Date());
  }

  /** What the guest wrote, from the host that it runs on. */
  @Get(':id/console')
  @Returns(ConsoleView)
  async readConsole(
    @Param('id', { schema: Id }) id: string,
    @Query({ schema: ConsoleQuery }) { offset }: z.infer<typeof ConsoleQuery>,
  ): Promise<ConsoleView> {
    const path = `/v1/vms/${id}/console?offset=${offset}`;
    return this.agents.call(await this.hostOf(id), { method: 'GET', path }, ConsoleView);
  }

  /** Types into the console. */
  @Post(':id/console')
  @ReturnsNothing()
  async writeConsole(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: ConsoleInput }) body: ConsoleInput,
  ): Promise<void> {
    await this.agents.call(await this.hostOf(id), { method: 'POST', path: `/v1/vms/${id}/console`, body }, z.unknown());
  }

  private async hostOf(id: string): Promise<string> {
    const vm = await this.db.vms.get(id);
    if (!vm.hostId) throw new Refused(`VM ${vm.name} is down; its console is there while it runs`);
    return vm.hostId;
  }
}
