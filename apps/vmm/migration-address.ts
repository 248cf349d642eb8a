/** Where migrations connect and listen: QEMU's migration URIs, tcp:HOST:PORT and unix:PATH. */
import { removeStaleSocket } from '#qmp';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { encrypt, lock, type ClientTls, type Door } from './migration-tls.js';
import type { TlsCredentials } from './tls-credentials.js';

export type MigrationAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** Reads a URI. Without a host it means 127.0.0.1, for listening too. Throws an Error that says what is possible. */
export function parseMigrationUri(uri: string): MigrationAddress {
  const [, path] = /^unix:(.+)$/.exec(uri) ?? [];
  if (path !== undefined) return { path };
  const [, host, port] = /^tcp:(.*):(\d{1,5})$/.exec(uri) ?? [];
  if (port === undefined || Number(port) > 65_535) throw new Error(`uri '${uri}': give tcp:HOST:PORT or unix:PATH`);
  return { host: host!.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1', port: Number(port) };
}

/** Connects; closes and rejects with the signal's reason when that aborts. */
export async function connectTo(
  address: MigrationAddress,
  signal: AbortSignal,
  tls: ClientTls | null = null,
): Promise<Socket> {
  const socket = await connectPlainly(address, signal);
  return tls ? encrypt(socket, tls.credentials, tls.hostname, signal) : socket;
}

/** Connects without TLS, and reads nothing yet; closes and rejects with the signal's reason when that aborts. */
export function connectUnread(address: MigrationAddress, signal: AbortSignal): Promise<Socket> {
  return connectPlainly(address, signal, true);
}

function connectPlainly(address: MigrationAddress, signal: AbortSignal, isUnread = false): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    if (isUnread) socket.pause();
    const giveUp = () => socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      signal.removeEventListener('abort', giveUp);
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/** Listens for migrations; without TLS nothing is read from callers yet. Resolves with where: port 0 has become a real one. */
export async function openDoor(
  address: MigrationAddress,
  tls: TlsCredentials | null,
): Promise<{ door: Door; bound: MigrationAddress }> {
  const { server, bound } = await listenAt(address, { pauseOnConnect: tls === null });
  return { door: tls ? lock(server, tls) : server, bound };
}

/** Listens. Resolves with where: port 0 has become a real one. `pauseOnConnect`: nothing is read from callers yet. */
export async function listenAt(
  address: MigrationAddress,
  options: { readonly pauseOnConnect?: boolean } = {},
): Promise<{ server: Server; bound: MigrationAddress }> {
  if ('path' in address) await removeStaleSocket(address.path);
  const server = createServer(options);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(address, resolve));
  if ('path' in address) return { server, bound: address };
  const { address: host, port } = server.address() as AddressInfo;
  return { server, bound: { host, port } };
}
