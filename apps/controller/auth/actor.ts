import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from '../http/messages.js';

const NAME = /^[\w.@ -]{1,64}$/;

/**
 * Who asks, as they call themselves in the header Drover-Actor. All administrators share one token, so it is for the
 * record and proves nothing.
 */
export function actorOf({ headers }: Pick<Request, 'headers'>): string {
  const name = headers['drover-actor'];
  return typeof name === 'string' && NAME.test(name) ? name : 'admin';
}

export const Actor = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  actorOf(context.switchToHttp().getRequest<Request>()),
);
