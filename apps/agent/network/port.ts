/** A switch port for one NIC: a Unix socket to which its VMM connects, again whenever the connection is lost. */
import { existsSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { adapt, frameOf, MessageReader, NO_OFFLOADS, packetOf, PREFIX_BYTES, prefixOf } from '#network';
import { Outlet } from './outlet.js';

export interface PortOptions {
  readonly path: string;
  /** The VMM sends and takes frames behind a virtio-net header; one that does not gets whole frames alone. */
  readonly hasHeader: boolean;
  onPacket(packet: Uint8Array): void;
  /** What came was no stream of frames; the connection is closed. */
  onGarbage(message: string): void;
}

export class Port {
  private readonly server: Server;
  private socket: Socket | null = null;
  private outlet: Outlet | null = null;

  constructor(private readonly options: PortOptions) {
    this.server = createServer((socket) => this.accept(socket));
  }

  /** Listens, in place of an agent that died. Rejects if the path cannot be used. */
  listen(): Promise<void> {
    const { path } = this.options;
    if (existsSync(path)) unlinkSync(path); // the folder is this agent's alone
    // The VMM may be another user's; nobody else gets into the folder.
    const where = { path, readableAll: true, writableAll: true };
    return new Promise((resolve, reject) => this.server.once('error', reject).listen(where, resolve));
  }

  /** Sends a packet to the VM, if it is connected. */
  send(packet: Uint8Array): void {
    if (!this.outlet) return;
    if (this.options.hasHeader) return this.outlet.send(prefixOf(packet.length), packet);
    for (const frame of adapt(packet, NO_OFFLOADS).map(frameOf)) this.outlet.send(prefixOf(frame.length), frame);
  }

  close(): void {
    this.server.close();
    this.socket?.destroy();
  }

  /** One NIC has one cable: a VMM that connects takes the place of an earlier one. */
  private accept(socket: Socket): void {
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
    onPacket(hasHeader ? content : packetOf(content));
  }
}
