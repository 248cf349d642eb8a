import type { Socket } from 'node:net';
import type { Channel } from '#migration';

/** A peer that has fallen silent with its host is found dead after about this long, by TCP keep-alive. */
const KEEP_ALIVE_MS = 10_000;

/** A migration's connection over a socket. What is written leaves from where it lies, without a copy. */
export function socketChannel(socket: Socket): Channel {
  let failure: Error | null = null;
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', (error) => (failure = error));
  socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve()))),
    open: (onData, onClose) => {
      socket.on('data', onData);
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
  };
}
