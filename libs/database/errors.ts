import { QueryFailedError } from 'typeorm';

/** Nothing has this id. */
export class NotFound extends Error {
  constructor(
    readonly resource: string,
    readonly id: string,
  ) {
    super(`there is no ${resource} ${id}`);
    this.name = 'NotFound';
  }
}

/** The request contradicts what is stored; the message says what to do about it. */
export class Conflict extends Error {
  override readonly name = 'Conflict';
}

/** A page cursor that this API did not give out. */
export class BadCursor extends Error {
  override readonly name = 'BadCursor';

  constructor() {
    super('this cursor was not given out for this list; leave it out to begin at the first page');
  }
}

interface PostgresError {
  readonly code?: string;
  readonly constraint?: string;
  readonly table?: string;
}

const codeOf = (error: unknown): PostgresError =>
  error instanceof QueryFailedError ? (error.driverError as PostgresError) : {};

/** True for a transaction that lost against another one and may simply be done again. */
export const isTransient = (error: unknown): boolean => ['40P01', '40001'].includes(codeOf(error).code ?? '');

const CONNECTION_ERRORS = /^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|EPIPE|ENOTFOUND|57P0\d|08\d{3})$/;

/** True if the database could not be reached, shuts down, or the connection broke. */
export function isUnavailable(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return (
    CONNECTION_ERRORS.test(String(code ?? codeOf(error).code)) ||
    /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/.test(
      String(message),
    )
  );
}

/** The Conflict behind a violated constraint, or the error itself. */
export function explainConstraint(error: unknown): unknown {
  const { code, constraint = '', table = '' } = codeOf(error);
  const noun = table.replaceAll('_', ' ');
  if (code === '23505' && constraint === 'migration_one_active')
    return new Conflict('the VM is being migrated already; wait for the end of that migration, or cancel it');
  if (code === '23505' && constraint.endsWith('_name_key'))
    return new Conflict(`there is a ${noun} of this name already; choose another name`);
  if (code === '23503' && constraint.endsWith('_id_fkey')) {
    const what = constraint.slice(table.length + 1, -'_id_fkey'.length).replaceAll('_', ' ');
    return new Conflict(`a ${noun} refers to this ${what}, or names a ${what} that does not exist`);
  }
  return error;
}
