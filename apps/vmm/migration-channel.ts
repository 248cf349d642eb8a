import { Socket } from 'node:net';
import { pour, type Channel, type Inlet } from '#migration';
import { connectTo, connectUnread, type MigrationAddress } from './migration-address.js';
import type { ClientTls } from './migration-tls.js';

/** A peer that has fallen silent with its host is found dead after about this long, by TCP keep-alive. */
const KEEP_ALIVE_MS = 10_000;

export interface SocketChannel extends Channel {
  /** Resolves when nothing is left of the connection. */
  readonly closed: Promise<void>;
  /** Ends it at once. */
  destroy(): void;
}

/** A migration's connection over a socket. What is written leaves from where it lies, without a copy. */
export function socketChannel(socket: Socket): SocketChannel {
  return channelOf(socket, (inlet) => {
    socket.on('data', (chunk: Uint8Array) => pour(chunk, inlet));
    return socket;
  });
}

/**
 * As `socketChannel`, of a socket without TLS from which nothing has been read: what comes is stored by the kernel where it
 * belongs, without a copy. Node.js offers that (`onread`) when a socket is made, and then nobody knows yet what will come, or
 * has accepted it; so the handle of this one goes to a socket that is made for it.
 */
export function unreadChannel(socket: Socket): SocketChannel {
  return channelOf(socket, (inlet) => {
    const handle: unknown = Reflect.get(socket, '_handle');
    if (!handle) return socket; // it is closed by now
    Reflect.set(socket, '_handle', null);
    const callback = (bytes: number) => {
      inlet.filled(bytes);
      return true;
    };
    return new Socket({ handle, onread: { buffer: () => inlet.room(), callback } } as object);
  });
}

/** Connects; rejects with the signal's reason when that aborts. */
export async function channelTo(
  address: MigrationAddress,
  signal: AbortSignal,
  tls: ClientTls | null,
): Promise<SocketChannel> {
  if (tls) return socketChannel(await connectTo(address, signal, tls));
  return unreadChannel(await connectUnread(address, signal));
}

/** `start`: has what comes go into the inlet; gives the socket that is in charge from then on. */
function channelOf(given: Socket, start: (inlet: Inlet) => Socket): SocketChannel {
  let socket = given;
  let failure: Error | null = null;
  let settle!: () => void;
  const closed = new Promise<void>((resolve) => (settle = resolve));
  const watch = () => {
    const watched = socket;
    watched.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    watched.on('error', (error) => (failure = error));
    watched.once('close', () => {
      if (watched === socket) settle();
    });
  };
  watch();
  return {
    closed,
    write: (bytes) =>
      new Promise((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve()))),
    open: (inlet, onClose) => {
      socket = start(inlet);
      if (socket !== given) watch();
      void closed.then(() => onClose(failure));
    },
    hold: () => void socket.pause(),
    goOn: () => void socket.resume(),
    close: async (graceMs) => {
      socket.resume(); // else its end is never seen
      const deadline = setTimeout(() => socket.destroy(), graceMs);
      socket.end();
      await closed;
      clearTimeout(deadline);
    },
    destroy: () => void socket.destroy(),
  };
}
