import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import {
  Id,
  MigrationDetail,
  MigrationLogView,
  MigrationParameters,
  MigrationQuery,
  MigrationView,
  type Page,
  pageOf,
} from '#contracts';
import { Database } from '#database';
import { Returns } from '../http/returns.js';
import { migrationView } from './migration.view.js';
import { MigrationsService } from './migrations.service.js';

@ApiTags('migrations')
@ApiBearerAuth()
@Controller('migrations')
export class MigrationsController {
  constructor(
    private readonly db: Database,
    private readonly migrations: MigrationsService,
  ) {}

  /** Newest first. */
  @Get()
  @Returns(pageOf(MigrationView))
  async list(@Query({ schema: MigrationQuery }) query: MigrationQuery): Promise<Page<MigrationView>> {
    const { items, nextCursor } = await this.db.migrations.page(query);
    return { items: items.map(migrationView), nextCursor };
  }

  @Get(':id')
  @Returns(MigrationDetail)
  get(@Param('id', { schema: Id }) id: string): Promise<MigrationDetail> {
    return this.migrations.detail(id);
  }

  /** What controller, agents and VMMs had to say of it; those of both hosts when it has ended. */
  @Get(':id/log')
  @Returns(MigrationLogView)
  log(@Param('id', { schema: Id }) id: string): Promise<MigrationLogView> {
    return this.migrations.log(id);
  }

  /** Until the switchover; the VM runs on at its source. */
  @Post(':id/cancel')
  @Returns(MigrationView, 202)
  async cancel(@Param('id', { schema: Id }) id: string): Promise<MigrationView> {
    return migrationView(await this.migrations.cancel(id, new Date()));
  }

  /** Changes a migration while it runs. */
  @Patch(':id/parameters')
  @Returns(MigrationView, 202)
  async changeParameters(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: MigrationParameters }) body: MigrationParameters,
  ): Promise<MigrationView> {
    return migrationView(await this.migrations.changeParameters(id, body));
  }
}
