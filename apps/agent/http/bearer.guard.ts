/** Who may call this agent: the controller with the agent's token, other agents with a ticket. */
import type { IncomingMessage } from 'node:http';
import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  SetMetadata,
  UnauthorizedException,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';

import { AgentContext } from '../agent-context.js';
import { isSameSecret } from '../migration/ticket.js';

const ACCESS = 'drover:access';
/** Anybody may ask. */
export const Public = () => SetMetadata(ACCESS, 'public');
/** The route checks a ticket itself, for only it knows which migration it must be good for. */
export const ByTicket = () => SetMetadata(ACCESS, 'ticket');

const bearerOf = (request: IncomingMessage): string =>
  /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';

/** The ticket that came with the request. */
export const Ticket = createParamDecorator((_: unknown, context: ExecutionContext): string =>
  bearerOf(context.switchToHttp().getRequest<IncomingMessage>()),
);

@Injectable()
export class BearerGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly agent: AgentContext,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const access = this.reflector.getAllAndOverride<string | undefined>(ACCESS, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (access === 'public' || access === 'ticket') return true;
    const token = bearerOf(context.switchToHttp().getRequest<IncomingMessage>());
    if (isSameSecret(token, this.agent.identity.agentToken)) return true;
    throw new UnauthorizedException("show this agent's token as bearer");
  }
}
