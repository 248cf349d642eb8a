import type { Socket } from 'node:net';
import type { NbdStream } from '#nbd';

/** What was written gets this long to leave. */
const CLOSE_TIMEOUT_MS = 1000;
/** A peer that has fallen silent with its host is found dead after about this long, by TCP keep-alive. */
const KEEP_ALIVE_MS = 10_000;

/** A connection over a socket. */
export function socketStream(socket: Socket): NbdStream {
  socket.on('error', () => undefined); // whoever reads or writes gets it
  socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
  return {
    input: socket,
    write: (...parts) =>
      new Promise((resolve, reject) => {
        const done = (error?: Error | null) => (error ? reject(error) : resolve());
        socket.cork();
        parts.forEach((part, index) => socket.write(part, index === parts.length - 1 ? done : undefined));
        socket.uncork();
      }),
    close: () => {
      socket.end();
      setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS).unref();
    },
  };
}
