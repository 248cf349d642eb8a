/**
 * Why a migration ended without success:
 *   not_drover      what answers or calls does not open with Drover's magic
 *   version         the other side speaks another version of the stream
 *   malformed       a frame, message or page batch that breaks the protocol
 *   checksum        a frame that changed on its way
 *   config          the two machines differ
 *   stale_epoch     the stream's epoch is not newer than the one known here
 *   connect         no connection to the destination
 *   connection_lost the connection ended early
 *   timeout         the other side did not answer in time
 *   cancelled       somebody asked for it
 *   paused          in post-copy: somebody asked for a pause
 *   source_lost     the guest runs here in part, and what is missing did not come: it is lost
 *   destination_lost  the destination, which owns the guest, did not come back for what it misses
 *   machine         this side's machine failed (device state, stop, resume)
 */
export type ErrorCode =
  | 'not_drover'
  | 'version'
  | 'malformed'
  | 'checksum'
  | 'config'
  | 'stale_epoch'
  | 'connect'
  | 'connection_lost'
  | 'timeout'
  | 'cancelled'
  | 'paused'
  | 'source_lost'
  | 'destination_lost'
  | 'machine';

export class MigrationError extends Error {
  constructor(
    readonly code: ErrorCode | `remote_${string}`,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'MigrationError';
  }

  /** The other side said so: it has given up, and knows why. */
  get isFromPeer(): boolean {
    return this.code.startsWith('remote_');
  }
}

/** `error` as a MigrationError; what is none already becomes one with `code`. */
export function asMigrationError(error: unknown, code: ErrorCode): MigrationError {
  if (error instanceof MigrationError) return error;
  return new MigrationError(code, error instanceof Error ? error.message : String(error), { cause: error });
}
