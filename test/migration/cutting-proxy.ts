/** A network that fails at the worst moment: passes a migration on until a certain frame, then is gone. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { FRAME_HEADER_BYTES, OPENING_BYTES } from '../../libs/migration/protocol.js';

export interface Cut {
  /** Type of the frame at which it fails, as in protocol.ts. */
  readonly frame: number;
  /** Who sends that frame. */
  readonly from: 'source' | 'destination';
  /** Whether the frame still arrives. */
  readonly arrives: boolean;
}
export const LOADED = 8;
export const COMMIT = 9;

/** Listens; resolves with its URI. `port` is the destination's. */
export async function cuttingProxy(port: number, cut: Cut): Promise<string> {
  const server = createServer((source) => {
    const destination = connect(port, '127.0.0.1');
    const sockets = [source, destination];
    for (const socket of sockets) socket.on('error', () => undefined);
    const end = () => sockets.forEach((socket) => socket.destroy());
    for (const socket of sockets) socket.on('close', end);
    pass(source, destination, cut.from === 'source' ? cut : null, end);
    pass(destination, source, cut.from === 'destination' ? cut : null, end);
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `tcp:127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function pass(from: Socket, to: Socket, cut: Cut | null, end: () => void): void {
  let frames: FrameEnds | null = cut && new FrameEnds(cut.frame);
  from.on('data', (chunk: Buffer) => {
    const found = frames?.push(chunk) ?? null;
    if (!cut || !found) {
      to.write(chunk);
      return;
    }
    frames = null;
    to.write(chunk.subarray(0, Math.max(0, cut.arrives ? found.end : found.start)), () => setTimeout(end, 50));
    from.removeAllListeners('data');
  });
}

/** Finds a frame of one type in a stream. */
class FrameEnds {
  private left = OPENING_BYTES;
  private header: number[] | null = null;

  constructor(private readonly type: number) {}

  /** Where that frame starts and ends, relative to the chunk in which its header ends; null before that. */
  push(chunk: Buffer): { start: number; end: number } | null {
    for (let at = 0; at < chunk.length;) {
      if (this.left > 0) {
        const step = Math.min(this.left, chunk.length - at);
        this.left -= step;
        at += step;
        continue;
      }
      this.header ??= [];
      this.header.push(chunk[at]!);
      at += 1;
      if (this.header.length < FRAME_HEADER_BYTES) continue;
      const header = Buffer.from(this.header);
      this.header = null;
      this.left = header.readUInt32LE(8);
      if (header.readUInt32LE(12) === this.type) return { start: at - FRAME_HEADER_BYTES, end: at + this.left };
    }
    return null;
  }
}
