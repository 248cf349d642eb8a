/** What other agents ask of this one: to take a VM over. */
import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import {
  Id,
  type IncomingLog,
  type IncomingState,
  type PreparedIncoming,
  PrepareIncoming,
  VcpusToRestore,
} from '#contracts';
import { AgentContext } from '../agent-context.js';
import { ByTicket, Ticket } from './bearer.guard.js';

@Controller('v1/incoming')
@ByTicket()
export class IncomingController {
  constructor(private readonly agent: AgentContext) {}

  @Post()
  prepare(
    @Body({ schema: PrepareIncoming }) arrival: PrepareIncoming,
    @Ticket() ticket: string,
  ): Promise<PreparedIncoming> {
    return this.agent.incoming.prepare(arrival, ticket);
  }

  @Get(':migrationId')
  state(@Param('migrationId', { schema: Id }) id: string, @Ticket() ticket: string): Promise<IncomingState> {
    return this.agent.incoming.state(id, ticket);
  }

  @Post(':migrationId/finish')
  @HttpCode(200)
  finish(@Param('migrationId', { schema: Id }) id: string, @Ticket() ticket: string): Promise<IncomingState> {
    return this.agent.incoming.finish(id, ticket);
  }

  @Post(':migrationId/recover')
  @HttpCode(200)
  async recover(@Param('migrationId', { schema: Id }) id: string, @Ticket() ticket: string): Promise<PreparedIncoming> {
    return { uri: await this.agent.incoming.recover(id, ticket), nbd: null };
  }

  @Post(':migrationId/vcpus')
  @HttpCode(200)
  restoreVcpus(
    @Param('migrationId', { schema: Id }) id: string,
    @Body({ schema: VcpusToRestore }) { vcpus }: VcpusToRestore,
    @Ticket() ticket: string,
  ): object {
    this.agent.incoming.restoreVcpus(id, vcpus, ticket);
    return {};
  }

  @Get(':migrationId/log')
  log(@Param('migrationId', { schema: Id }) id: string, @Ticket() ticket: string): IncomingLog {
    return { lines: this.agent.incoming.linesOf(id, ticket) };
  }

  @Delete(':migrationId')
  discard(@Param('migrationId', { schema: Id }) id: string, @Ticket() ticket: string): Promise<IncomingState> {
    return this.agent.incoming.discard(id, ticket);
  }
}
