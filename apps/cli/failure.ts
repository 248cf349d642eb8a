/** What went wrong, as a line for people and as an exit code for programs. */
import { CommanderError } from 'commander';
import { ApiError, ConnectionError } from '#client';

export const EXIT_CODES = `Exit codes:
  0  done
  1  the controller refused, or the command failed
  2  wrong usage
  3  there is no such object
  4  the token is missing or wrong
  5  no answer from the controller`;

/** The command line asks for something that cannot be meant; exit code 2. */
export class UsageError extends Error {}
/** No object has that name or id; exit code 3. */
export class NotFound extends Error {}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError) return 2;
  if (error instanceof NotFound) return 3;
  if (error instanceof ConnectionError) return 5;
  if (error instanceof ApiError && error.status === 404) return 3;
  if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return 4;
  return 1;
}

/** Commander has already printed its own errors: nothing for those. */
export function explain(error: unknown): string | undefined {
  if (error instanceof CommanderError) return undefined;
  if (error instanceof ApiError && error.status === 401)
    return `${error.message}; give the token by --token-file, DROVER_TOKEN or .drover/admin-token`;
  if (error instanceof ApiError && error.status === 403) return `${error.message}; this token may not do that`;
  if (error instanceof ConnectionError) return `${error.message}; is it running? Another address: --url or DROVER_URL`;
  return error instanceof Error ? error.message : String(error);
}
