/** Every error as problem details (RFC 9457). */
import { STATUS_CODES, type ServerResponse } from 'node:http';
import { type ArgumentsHost, BadRequestException, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { Problem } from '#contracts';
import type { Log } from '../log.js';
import { VmRefusal } from '../vms/vm-refusal.js';

type FieldErrors = NonNullable<Problem['errors']>;

/** Input that does not fit its schema, with what is wrong with each field. */
export class InvalidInput extends BadRequestException {
  constructor(readonly errors: FieldErrors) {
    super('the request does not have the form that is asked for');
  }
}

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What the validation pipe throws. */
export const invalidInput = (issues: readonly Issue[]): InvalidInput =>
  new InvalidInput(
    issues.map(({ message, path = [] }) => ({
      field: path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || 'body',
      message,
    })),
  );

/** Refusals that are not a conflict with the state of things (409). */
const STATUS_OF_REFUSAL: Readonly<Record<string, number>> = { unauthorized: 401, not_found: 404, not_ready: 503 };

@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: Error, host: ArgumentsHost): void {
    const problem = this.problemOf(error);
    const response = host.switchToHttp().getResponse<ServerResponse>();
    response.writeHead(problem.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
  }

  private problemOf(error: Error): Problem {
    if (error instanceof VmRefusal) {
      const status = STATUS_OF_REFUSAL[error.code] ?? 409;
      return { type: `urn:drover:problem:${error.code}`, title: titleOf(status), status, detail: error.message };
    }
    if (error instanceof HttpException) {
      const status = error.getStatus();
      const errors = error instanceof InvalidInput ? error.errors : undefined;
      return { type: 'about:blank', title: titleOf(status), status, detail: error.message, errors };
    }
    this.log.error({ stack: error.stack }, `request failed: ${error.message}`);
    return { type: 'about:blank', title: titleOf(500), status: 500, detail: 'see the log of this agent' };
  }
}

const titleOf = (status: number): string => STATUS_CODES[status] ?? 'Error';
