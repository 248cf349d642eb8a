import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import {
  CreatedHost,
  CreateHost,
  DeactivateHost,
  HostQuery,
  HostView,
  Id,
  type Page,
  pageOf,
  UpdateHost,
} from '#contracts';
import { Database, type Host } from '#database';
import { Returns, ReturnsNothing } from '../http/returns.js';
import { hostView } from './host.view.js';
import { HostsService } from './hosts.service.js';

@ApiTags('hosts')
@ApiBearerAuth()
@Controller('hosts')
export class HostsController {
  constructor(
    private readonly db: Database,
    private readonly hosts: HostsService,
  ) {}

  @Get()
  @Returns(pageOf(HostView))
  async list(@Query({ schema: HostQuery }) query: HostQuery): Promise<Page<HostView>> {
    const { items, nextCursor } = await this.db.hosts.page(query);
    const usageOf = await this.db.hosts.usage(items.map(({ id }) => id));
    return { items: items.map((host) => hostView(host, usageOf(host.id))), nextCursor };
  }

  /** The answer holds the token with which the host's agent enrols; it is shown this once. */
  @Post()
  @Returns(CreatedHost, 201)
  async create(@Body({ schema: CreateHost }) body: CreateHost): Promise<CreatedHost> {
    const { host, enrolmentToken } = await this.hosts.create(body, new Date());
    return { ...(await this.view(host)), enrolmentToken };
  }

  @Get(':id')
  @Returns(HostView)
  async get(@Param('id', { schema: Id }) id: string): Promise<HostView> {
    return this.view(await this.db.hosts.get(id));
  }

  /** Its labels. */
  @Patch(':id')
  @Returns(HostView)
  async update(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: UpdateHost }) body: UpdateHost,
  ): Promise<HostView> {
    return this.view(await this.hosts.update(id, body));
  }

  /** Only a host without VMs can be deleted. */
  @Delete(':id')
  @ReturnsNothing()
  remove(@Param('id', { schema: Id }) id: string): Promise<void> {
    return this.hosts.remove(id, new Date());
  }

  /** Its VMs are moved away; then it is in maintenance. */
  @Post(':id/deactivate')
  @Returns(HostView, 202)
  async deactivate(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: DeactivateHost }) { reason }: DeactivateHost,
  ): Promise<HostView> {
    return this.view(await this.hosts.deactivate(id, reason, new Date()));
  }

  /** Out of maintenance, or out of the preparation for it. */
  @Post(':id/activate')
  @Returns(HostView, 202)
  async activate(@Param('id', { schema: Id }) id: string): Promise<HostView> {
    return this.view(await this.hosts.activate(id, new Date()));
  }

  private async view(host: Host): Promise<HostView> {
    const usageOf = await this.db.hosts.usage([host.id]);
    return hostView(host, usageOf(host.id));
  }
}
