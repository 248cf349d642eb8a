/** A switch port for one NIC: a Unix socket that joins it and its VMM, again whenever the connection is lost. */
import { existsSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { adapt, frameOf, MessageReader, NO_OFFLOADS, packetOf, PREFIX_BYTES, prefixOf } from '#network';
import { Outlet } from './outlet.js';

/** How often a VMM that does not listen yet, or does no more, is looked for. */
const DIAL_AGAIN_MS = 100;

export interface PortOptions {
  readonly path: string;
  /** The VMM listens there, and is connected to; else it connects. */
  readonly isDialled: boolean;
  /** The VMM sends and takes frames behind a virtio-net header; one that does not gets whole frames alone. */
  readonly hasHeader: boolean;
  onPacket(packet: Uint8Array): void;
  /** What came was no stream of frames; the connection is closed. */
  onGarbage(message: string): void;
}

export class Port {
  private server: Server | null = null;
  private isClosed = false;
  private socket: Socket | null = null;
  private outlet: Outlet | null = null;
  /** Bytes of whole frames that the NIC has sent and been given since the port was made. */
  readonly traffic = { sentBytes: 0, receivedBytes: 0 };

  constructor(private readonly options: PortOptions) {}

  /** Begins to join its VMM. Rejects if the path cannot be used. */
  async open(): Promise<void> {
    if (this.options.isDialled) this.dial();
    else await this.listen();
  }

  /** In place of an agent that died. */
  private listen(): Promise<void> {
    const { path } = this.options;
    if (existsSync(path)) unlinkSync(path); // the folder is this agent's alone
    const server = createServer((socket) => this.join(socket));
    this.server = server;
    // The VMM may be another user's; nobody else gets into the folder.
    const where = { path, readableAll: true, writableAll: true };
    return new Promise((resolve, reject) => server.once('error', reject).listen(where, resolve));
  }

  private dial(): void {
    if (this.isClosed) return;
    const socket = connect(this.options.path);
    socket.once('connect', () => this.join(socket));
    socket.on('error', () => socket.destroy()); // it does not listen now
    socket.once('close', () => setTimeout(() => this.dial(), DIAL_AGAIN_MS).unref());
  }

  /** Sends a packet to the VM, if it is connected. */
  send(packet: Uint8Array): void {
    if (!this.outlet) return;
    const messages = this.options.hasHeader ? [packet] : adapt(packet, NO_OFFLOADS).map(frameOf);
    for (const message of messages) {
      const isSent = this.outlet.send(prefixOf(message.length), message);
      if (isSent) this.traffic.receivedBytes += this.frameBytes(message);
    }
  }

  close(): void {
    this.isClosed = true;
    this.server?.close();
    this.socket?.destroy();
  }

  /** One NIC has one cable: a VMM that connects takes the place of an earlier one. */
  private join(socket: Socket): void {
    this.socket?.destroy();
    this.socket = socket;
    this.outlet = new Outlet(socket);
    const reader = new MessageReader();
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.read(chunk)) this.take(message.subarray(PREFIX_BYTES));
      } catch (error) {
        socket.destroy();
        this.options.onGarbage((error as Error).message);
      }
    });
    socket.on('error', () => socket.destroy()); // a VMM that died
    socket.on('close', () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.outlet = null;
    });
  }

  private take(content: Uint8Array): void {
    const { hasHeader, onPacket } = this.options;
    this.traffic.sentBytes += this.frameBytes(content);
    onPacket(hasHeader ? content : packetOf(content));
  }

  /** Of a message, without the virtio-net header before it. */
  private frameBytes(message: Uint8Array): number {
    return this.options.hasHeader ? frameOf(message).length : message.length;
  }
}
