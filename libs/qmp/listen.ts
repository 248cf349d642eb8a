/** QMP over sockets: where a server listens and a client connects. */
import { unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { QmpServer } from './server.js';

/** A Unix socket or a TCP port. */
export type QmpAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** A client that does not read is dropped before its unread answers and events fill the server's memory. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;

/** Time for clients to take their last answers before the connections are cut. */
const CLOSE_TIMEOUT_MS = 500;

export interface QmpListener {
  /** Listens no more, and lets what was written reach its clients. */
  close(): Promise<void>;
}

/**
 * Serves every client that connects. Resolves once it listens. A Unix socket's file that nobody listens on any more is
 * taken over; one that is in use is an error (EADDRINUSE).
 */
export async function listenQmp(server: QmpServer, address: QmpAddress): Promise<QmpListener> {
  if ('path' in address) await removeStaleSocket(address.path);
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)));
    serveSocket(server, socket);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(address, () => {
      listener.off('error', reject);
      resolve();
    });
  });
  return { close: () => closeAll(listener, sockets) };
}

async function closeAll(listener: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
  for (const socket of sockets) socket.end();
  const timer = setTimeout(() => sockets.forEach((socket) => socket.destroy()), CLOSE_TIMEOUT_MS);
  await closed;
  clearTimeout(timer);
}

/** Removes the file of a Unix socket unless somebody answers there. */
export async function removeStaleSocket(path: string): Promise<void> {
  const code = await new Promise<string | undefined>((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(undefined);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
  if (code === 'ECONNREFUSED') unlinkSync(path);
}

function serveSocket(server: QmpServer, socket: Socket): void {
  socket.setEncoding('utf8');
  const session = server.connect({
    write: (line) => {
      socket.write(line);
      if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
    },
    close: () => socket.end(),
  });
  socket.on('data', (characters) => session.receive(String(characters)));
  socket.on('error', () => socket.destroy()); // a lost client is no event for anybody else
  socket.on('close', () => session.closed());
}
