import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import type { Problem } from '#contracts';
import { BadCursor, Conflict, isUnavailable, NotFound } from '#database';
import { IllegalTransition } from '#lifecycle';
import { PowerError } from '#power';

type FieldErrors = NonNullable<Problem['errors']>;

/** Input that a schema refuses. */
export class BadInput extends Error {
  constructor(readonly errors: FieldErrors) {
    super(errors.map(({ field, message }) => `${field}: ${message}`).join('; '));
  }
}

export class Unauthorized extends Error {}

/** The request is fine, yet cannot be carried out as things are. */
export class Refused extends Error {}

/** An Idempotency-Key that came with another request before. */
export class KeyReused extends Error {}

/** A host's agent that does not do what it was asked to. */
export class AgentUnavailable extends Error {}

interface Described {
  readonly status: number;
  readonly detail: string;
  readonly errors?: FieldErrors;
}

function describe(error: unknown): Described {
  if (error instanceof BadInput) return { status: 400, detail: 'the request is not valid', errors: error.errors };
  if (error instanceof BadCursor)
    return { status: 400, detail: 'the request is not valid', errors: [{ field: 'cursor', message: error.message }] };
  if (error instanceof Unauthorized) return { status: 401, detail: error.message };
  if (error instanceof NotFound) return { status: 404, detail: error.message };
  if (error instanceof Conflict || error instanceof Refused || error instanceof IllegalTransition)
    return { status: 409, detail: error.message };
  if (error instanceof KeyReused) return { status: 422, detail: error.message };
  if (error instanceof AgentUnavailable || error instanceof PowerError) return { status: 502, detail: error.message };
  if (error instanceof HttpException) return { status: error.getStatus(), detail: error.message };
  if (isUnavailable(error))
    return { status: 503, detail: 'the database does not answer; try again when it is back (GET /api/v1/health)' };
  const { status, message } = error as { status?: unknown; message?: unknown };
  // What the body parser refuses: too large, another charset, cut off.
  if (typeof status === 'number' && status >= 400 && status < 500) return { status, detail: String(message) };
  return { status: 500, detail: 'this is a fault of the controller; its log has the details' };
}

/** RFC 9457 problem details of an error; nothing of the inside gets out. */
export function problemOf(error: unknown, instance: string): Problem {
  const { status, detail, errors } = describe(error);
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    instance,
    ...(errors ? { errors } : {}),
  };
}
