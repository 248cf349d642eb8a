/** The way out to one VM or host: what cannot leave soon is lost, as at the port of any switch. */
import type { Socket } from 'node:net';

const MAX_UNSENT_BYTES = 1024 * 1024;

export class Outlet {
  /** Frames that were lost because their receiver is too slow, or gone. */
  lost = 0;

  constructor(private readonly socket: Socket) {}

  /** Sends the parts of one frame, together with what else comes in this turn of the event loop; false: it is lost. */
  send(...parts: readonly Uint8Array[]): boolean {
    const { socket } = this;
    if (!socket.writable || socket.writableLength > MAX_UNSENT_BYTES) {
      this.lost += 1;
      return false;
    }
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    for (const part of parts) socket.write(part);
    return true;
  }
}
