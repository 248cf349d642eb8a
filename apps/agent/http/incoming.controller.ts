/** What other agents ask of this one: to take a VM over. */
import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { Id, type IncomingState, type PreparedIncoming, PrepareIncoming } from '#contracts';
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

  @Delete(':migrationId')
  discard(@Param('migrationId', { schema: Id }) id: string, @Ticket() ticket: string): Promise<IncomingState> {
    return this.agent.incoming.discard(id, ticket);
  }
}
