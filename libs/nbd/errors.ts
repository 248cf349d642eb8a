import { ERRNO, type NbdErrno } from './protocol.js';

/** A request that was answered with an error; the connection goes on. */
export class NbdError extends Error {
  override readonly name = 'NbdError';

  constructor(
    readonly errno: NbdErrno,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The connection is at its end: cut, or the peer does not speak NBD. */
export class NbdConnectionError extends Error {
  override readonly name = 'NbdConnectionError';
}

/** The name of an error number; unknown ones mean EINVAL (proto.md, "Error values"). */
export function errnoName(number: number): NbdErrno {
  const found = Object.entries(ERRNO).find(([, value]) => value === number);
  return (found?.[0] ?? 'EINVAL') as NbdErrno;
}
