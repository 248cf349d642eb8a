/** Orders that do not go through the queue, because somebody waits for the answer. */
import { Body, Controller, Get, HttpCode, NotFoundException, Param, Patch, Post, Query } from '@nestjs/common';
import { ConsoleInput, ConsoleQuery, type ConsoleView, Id, MigrationParameters, type MigrationProbe } from '#contracts';
import { readConsole, writeConsole } from '#hypervisor';
import { AgentContext } from '../agent-context.js';
import { probeMigration } from '../migration/convergence/probe.js';
import { VmRefusal } from '../vms/vm-refusal.js';
import { Public } from './bearer.guard.js';

/** Most that one answer carries of a console. */
const MAX_CONSOLE_BYTES = 64 * 1024;

@Controller('v1')
export class OrdersController {
  constructor(private readonly agent: AgentContext) {}

  @Get('health')
  @Public()
  health() {
    return { status: 'ok', version: this.agent.version };
  }

  @Post('migrations/:id/cancel')
  @HttpCode(202)
  cancel(@Param('id', { schema: Id }) id: string): object {
    this.agent.outgoing.cancel(id);
    return {};
  }

  @Patch('migrations/:id/parameters')
  async setParameters(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: MigrationParameters }) parameters: MigrationParameters,
  ): Promise<object> {
    await this.agent.outgoing.setParameters(id, parameters);
    return {};
  }

  /** What a migration would have to do with: takes a second. Of a VM that is not migrating. */
  @Get('vms/:id/migration-probe')
  async probe(@Param('id', { schema: Id }) id: string): Promise<MigrationProbe> {
    if (this.agent.vms.record(id)?.leaving) throw new VmRefusal('migrating', `VM ${id} is being migrated now`);
    return probeMigration(this.agent.vms.processOf(id));
  }

  @Get('vms/:id/console')
  console(
    @Param('id', { schema: Id }) id: string,
    @Query({ schema: ConsoleQuery }) { offset }: { offset: number },
  ): Promise<ConsoleView> {
    return readConsole(this.handleOf(id).consoleLog, offset, MAX_CONSOLE_BYTES);
  }

  @Post('vms/:id/console')
  @HttpCode(204)
  type(@Param('id', { schema: Id }) id: string, @Body({ schema: ConsoleInput }) { text }: ConsoleInput): void {
    writeConsole(this.agent.vms.processOf(id).handle.consoleInput, text);
  }

  private handleOf(vmId: string) {
    const record = this.agent.vms.record(vmId);
    if (!record?.process || record.phase === 'gone') throw new NotFoundException(`VM ${vmId} is not on this host`);
    return record.process;
  }
}
