/** TLS around connections of migrations and NBD: both ends show a certificate of the same authority. */
import { EventEmitter, once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:tls';
import { contextOf, type TlsCredentials } from './tls-credentials.js';

/** How long a caller may take to prove who it is. */
const HANDSHAKE_MS = 10_000;

/** How to encrypt a connection that this end opens. `hostname`: whom the peer's certificate must name. */
export interface ClientTls {
  readonly credentials: TlsCredentials;
  readonly hostname: string;
}

/** Where connections come in: `connection` for each that is ready to be used, `refused` for each that proved nothing. */
export interface Door extends EventEmitter {
  on(event: 'connection', listener: (socket: Socket) => void): this;
  on(event: 'refused', listener: (error: Error) => void): this;
  close(): void;
}

/**
 * Encrypts a connection that this end opened; the peer's certificate must name `hostname`. Rejects, with the connection
 * closed, if the peer proves nothing, or with the signal's reason when that aborts.
 */
export async function encrypt(
  socket: Socket,
  credentials: TlsCredentials,
  hostname: string,
  signal: AbortSignal,
): Promise<Socket> {
  const rejectUnauthorized = credentials.verifyPeer;
  const secure = connect({ ...contextOf(credentials), socket, servername: hostname, rejectUnauthorized });
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(HANDSHAKE_MS)]);
  try {
    await once(secure, 'secureConnect', { signal: deadline });
  } catch (error) {
    secure.destroy();
    socket.destroy();
    signal.throwIfAborted();
    throw new Error(
      `TLS: ${deadline.aborted ? `no handshake within ${HANDSHAKE_MS / 1000} s` : (error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  return secure;
}

/** A door that opens for callers with a certificate of the authority, and for nobody else. */
export function lock(server: Server, credentials: TlsCredentials): Door {
  const door = new EventEmitter();
  server.on('connection', (socket) => {
    admit(socket, credentials).then(
      (secure) => door.emit('connection', secure),
      (error: Error) => door.emit('refused', error),
    );
  });
  return Object.assign(door, { close: () => void server.close() });
}

/** Encrypts a connection that somebody else opened. Rejects, with the connection closed, if the caller proves nothing. */
export function admit(socket: Socket, credentials: TlsCredentials): Promise<Socket> {
  const requestCert = credentials.verifyPeer;
  const handshake = createServer({
    ...contextOf(credentials),
    requestCert,
    rejectUnauthorized: requestCert,
    handshakeTimeout: HANDSHAKE_MS,
  });
  return new Promise((resolve, reject) => {
    handshake.once('secureConnection', resolve);
    handshake.once('tlsClientError', (error) => reject(new Error(`TLS: ${error.message}`, { cause: error })));
    handshake.emit('connection', socket);
  });
}
