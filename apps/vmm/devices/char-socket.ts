/** `-chardev socket,server=on,wait=off`: a Unix socket for one client at a time; others wait until it has gone. */
import { createServer, type Server, type Socket } from 'node:net';
import { removeStaleSocket } from '#qmp';
import type { PortEvents } from '#vmm';
import type { Chardev } from './chardev.js';

/** So many clients wait; those that come later are sent away. */
const MAX_WAITING = 8;
/** Time for the client to take the last bytes before it is cut. */
const CLOSE_TIMEOUT_MS = 500;
const NOTHING = new Uint8Array(0);

/** Throws an Error if the socket cannot be opened, or somebody else serves it. */
export async function openCharSocket(path: string): Promise<Chardev> {
  await removeStaleSocket(path);
  const server = createServer({ pauseOnConnect: true });
  const chardev = new CharSocket(server, path);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  return chardev;
}

class CharSocket implements Chardev {
  private port: PortEvents | undefined;
  private client: Socket | undefined;
  private readonly waiting: Socket[] = [];
  /** What the client has sent and the port not taken; also after it has gone, until there is another one. */
  private unread: Uint8Array = NOTHING;

  constructor(
    private readonly server: Server,
    readonly filename: string,
  ) {
    server.on('connection', (socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.gone(socket));
      if (this.waiting.length >= MAX_WAITING) socket.destroy();
      else this.waiting.push(socket);
      this.serveNext();
    });
  }

  get isOpen(): boolean {
    return this.client !== undefined;
  }

  get isFull(): boolean {
    return this.client?.writableNeedDrain ?? false;
  }

  write(bytes: Uint8Array): void {
    this.client?.write(bytes);
  }

  readMore(): void {
    this.pass();
  }

  attach(port: PortEvents): void {
    this.port = port;
    this.serveNext();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.waiting) socket.destroy();
    const { client } = this;
    client?.end();
    const timer = setTimeout(() => client?.destroy(), CLOSE_TIMEOUT_MS);
    await closed;
    clearTimeout(timer);
  }

  private serveNext(): void {
    if (this.client || !this.port) return;
    const client = this.waiting.shift();
    if (!client) return;
    this.client = client;
    this.unread = NOTHING;
    client.on('data', (bytes: Uint8Array) => {
      this.unread = bytes;
      this.pass();
    });
    client.on('drain', () => this.port!.writable());
    client.resume();
    this.port.openChanged();
  }

  /** Offers what is unread to the port; the client may send more once all of it is taken. */
  private pass(): void {
    if (this.unread.length === 0) return;
    this.unread = this.unread.subarray(this.port!.receive(this.unread));
    if (this.unread.length > 0) this.client?.pause();
    else this.client?.resume();
  }

  private gone(socket: Socket): void {
    const place = this.waiting.indexOf(socket);
    if (place >= 0) this.waiting.splice(place, 1);
    if (socket !== this.client) return;
    this.client = undefined;
    this.port!.openChanged();
    this.serveNext();
  }
}
