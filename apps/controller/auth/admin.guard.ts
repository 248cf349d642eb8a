import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from '../http/messages.js';
import { Unauthorized } from '../http/problems.js';
import { sameSecret } from './secrets.js';

const OWN_TOKEN = 'drover:own-token';

/** For routes that need no token, or check another one than the administrator's themselves. */
export const WithoutAdminToken = () => SetMetadata(OWN_TOKEN, true);

/** The bearer token of a request. Throws Unauthorized. */
export function bearerOf(request: Request): string {
  const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (!token) throw new Unauthorized('this needs a token: send it in the header Authorization, as Bearer <token>');
  return token;
}

/** Every route needs the administrator's token unless it says otherwise. */
@Injectable()
export class AdminGuard implements CanActivate {
  constructor(
    private readonly adminToken: string,
    private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.reflector.getAllAndOverride<boolean>(OWN_TOKEN, [context.getHandler(), context.getClass()])) return true;
    const token = bearerOf(context.switchToHttp().getRequest<Request>());
    if (!sameSecret(token, this.adminToken))
      throw new Unauthorized(
        "this is not the administrator's token; it is in the file that DROVER_ADMIN_TOKEN_FILE names",
      );
    return true;
  }
}
