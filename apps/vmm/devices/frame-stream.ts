/** A stream netdev at work: frames to and from a switch, over a connection that is made again when it breaks. */
import { connect, type Socket } from 'node:net';
import { MessageReader, PREFIX_BYTES, prefixOf } from '#network';
import type { StreamNetdev } from './netdev.js';

/** Frames wait in the guest, not here, once so much is unsent, or it has sent so often in one turn. */
const MAX_UNSENT_BYTES = 1024 * 1024;
const MAX_SENT_A_TURN = 256;

export interface FrameStreamPorts {
  /** A frame for the guest, with its header if the netdev has one. False: there is no room now; it is given again after `retry`. */
  receive(frame: Uint8Array): boolean;
  /** The cable is plugged in; otherwise frames are lost. */
  isLinkUp(): boolean;
  /** After `send` returned false: there is room again. */
  sent(): void;
  /** For people: what has become of the connection. */
  log(line: string): void;
}

export class FrameStream {
  private socket: Socket | null = null;
  private reader = new MessageReader();
  /** Frames that the guest had no room for; while there are any, the socket is not read. */
  private waiting: Uint8Array[] = [];
  private sentThisTurn = 0;
  private isBlocked = false;
  private isClosed = false;
  private lastError = '';
  private reconnection: NodeJS.Timeout | undefined;

  constructor(
    private readonly netdev: StreamNetdev,
    private readonly ports: FrameStreamPorts,
  ) {}

  /** Connects. Rejects if that fails and is not to be tried again. */
  async open(): Promise<void> {
    const socket = this.connect();
    if (this.netdev.reconnectMs > 0) return;
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  }

  /** Takes what the guest has sent, one or more frames; without a connection or cable it is lost. False: rest until `sent`. */
  send(frames: readonly Uint8Array[]): boolean {
    const { socket } = this;
    if (socket?.readyState === 'open' && this.ports.isLinkUp()) {
      if (socket.writableCorked === 0) {
        socket.cork();
        process.nextTick(() => socket.uncork());
      }
      for (const frame of frames) {
        socket.write(prefixOf(frame.length));
        socket.write(frame);
      }
      if (socket.writableLength > MAX_UNSENT_BYTES) this.isBlocked = true;
    }
    if (this.sentThisTurn === 0) setImmediate(() => this.nextTurn());
    this.sentThisTurn += 1;
    return !this.isBlocked && this.sentThisTurn < MAX_SENT_A_TURN;
  }

  /** There may be room in the guest. */
  retry(): void {
    if (this.waiting.length === 0) return;
    this.deliver();
    if (this.waiting.length === 0) this.socket?.resume();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.reconnection);
    this.socket?.destroySoon();
  }

  private connect(): Socket {
    const { address } = this.netdev;
    const socket = connect(address);
    this.socket = socket;
    this.reader = new MessageReader();
    socket.setNoDelay(true);
    socket.on('connect', () => this.say(''));
    socket.on('data', (chunk: Buffer) => this.read(socket, chunk));
    socket.on('drain', () => this.unblock());
    socket.on('error', (error) => this.say(error.message));
    socket.on('close', () => this.lost());
    return socket;
  }

  private lost(): void {
    this.socket = null;
    this.waiting = [];
    this.unblock();
    const { reconnectMs } = this.netdev;
    if (this.isClosed || reconnectMs === 0) return;
    this.reconnection = setTimeout(() => this.connect(), reconnectMs).unref();
  }

  private read(socket: Socket, chunk: Uint8Array): void {
    try {
      for (const message of this.reader.read(chunk)) this.waiting.push(message.subarray(PREFIX_BYTES));
    } catch (error) {
      socket.destroy(error as Error);
      return;
    }
    this.deliver();
    if (this.waiting.length > 0) socket.pause();
  }

  private deliver(): void {
    const { waiting } = this;
    let given = 0;
    while (given < waiting.length && this.ports.receive(waiting[given]!)) given += 1;
    this.waiting = waiting.slice(given);
  }

  private nextTurn(): void {
    const wasFull = this.sentThisTurn >= MAX_SENT_A_TURN;
    this.sentThisTurn = 0;
    if (wasFull && !this.isBlocked) this.ports.sent();
  }

  private unblock(): void {
    if (!this.isBlocked) return;
    this.isBlocked = false;
    this.ports.sent();
  }

  /** Says each change once, not at each attempt. */
  private say(error: string): void {
    if (error === this.lastError) return;
    this.lastError = error;
    const { id } = this.netdev;
    this.ports.log(error ? `netdev ${id}: not connected: ${error}` : `netdev ${id}: connected again`);
  }
}
