import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request, Response } from './messages.js';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { Conflict, Database } from '#database';
import { SecretBox, sha256 } from '../auth/secrets.js';
import { BadInput, KeyReused } from './problems.js';

const KEY = /^[\x21-\x7e]{1,200}$/;

/**
 * A POST with an Idempotency-Key is carried out once: the same request with the same key gets the stored answer for 24
 * hours. Answers are kept encrypted, since one of them holds a token. A request that failed may be sent again.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly db: Database,
    private readonly box: SecretBox,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<Request>();
    const key = request.headers['idempotency-key'];
    if (request.method !== 'POST' || key === undefined) return next.handle();
    return from(this.once(String(key), request, context.switchToHttp().getResponse<Response>(), next));
  }

  private async once(key: string, request: Request, response: Response, next: CallHandler): Promise<unknown> {
    if (!KEY.test(key))
      throw new BadInput([{ field: 'Idempotency-Key', message: 'use 1-200 visible ASCII characters, such as a UUID' }]);
    const requestSha256 = sha256(`POST ${request.originalUrl}\n${JSON.stringify(request.body ?? null)}`);
    const first = await this.db.idempotencyKeys.begin(key, requestSha256, new Date());
    if (first) {
      if (first.requestSha256 !== requestSha256)
        throw new KeyReused('this Idempotency-Key came with another request before; use a new key for a new request');
      if (first.status === null || !first.responseEncrypted)
        throw new Conflict('the request with this Idempotency-Key is still being carried out; ask again in a moment');
      response.statusCode = first.status;
      return JSON.parse(this.box.open(first.responseEncrypted)) as unknown;
    }
    try {
      const answer: unknown = await lastValueFrom(next.handle(), { defaultValue: null });
      await this.db.idempotencyKeys.finish(key, response.statusCode, this.box.seal(JSON.stringify(answer ?? null)));
      return answer;
    } catch (error) {
      await this.db.idempotencyKeys.abandon(key);
      throw error;
    }
  }
}
