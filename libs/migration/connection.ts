import type { GuestMemory } from '#vmm';
import { until } from './abort.js';
import type { Codec } from './codec.js';
import { MigrationError, asMigrationError } from './errors.js';
import { FrameReader } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';
import type { Channel, Clock } from './ports.js';
import type { Message, MessageType, Messages } from './protocol.js';
import { COMPRESSED_FRAME, RAM_FRAME, decodeMessage } from './protocol.js';
import type { Lane } from './scratch.js';

/** How long a last word to the other side may take to leave. */
const GRACE_MS = 1000;

/** Takes what still comes on connections that are of no use any more. */
const UNWANTED = new Uint8Array(65_536);

export interface ConnectionOptions {
  readonly channel: Channel;
  readonly memory: GuestMemory;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly lane: Lane;
  /** Name of the other side in messages. */
  readonly peer: 'source' | 'destination';
  /** Takes a batch of pages; throws MigrationError if none may come. */
  readonly onBatch: (payload: number, bytes: number, isCompressed: boolean) => void;
}

/**
 * One side of a migration stream. Whatever ends it (a broken frame, ERROR from the other side, loss, `fail`) aborts
 * `signal` once, with a MigrationError; messages that came before can still be received.
 */
export class Connection {
  readonly writer: FrameWriter;
  private readonly reader: FrameReader;
  private readonly failure = new AbortController();
  private readonly inbox: Message[] = [];
  private arrived: (() => void) | null = null;
  private isClosing = false;

  constructor(private readonly options: ConnectionOptions) {
    const { channel, memory, codec, lane, peer, onBatch } = options;
    this.reader = new FrameReader(memory, codec, lane, (type, payload, bytes) => {
      if (type === RAM_FRAME || type === COMPRESSED_FRAME) onBatch(payload, bytes, type === COMPRESSED_FRAME);
      else this.receive(decodeMessage(type, memory.bytes.slice(payload, payload + bytes)));
    });
    this.writer = new FrameWriter(memory, codec, channel, lane);
    channel.open(
      {
        room: () => (this.signal.aborted ? UNWANTED : this.reader.room()),
        filled: (bytes) => {
          if (this.signal.aborted) return;
          try {
            this.reader.filled(bytes);
          } catch (error) {
            this.fail(asMigrationError(error, 'malformed'));
          }
        },
      },
      (error) => {
        const how = error ? error.message : `the ${peer} closed it`;
        const where = this.reader.isBetweenFrames ? '' : ' in the middle of a frame';
        this.abort(new MigrationError('connection_lost', `connection to the ${peer} lost${where}: ${how}`));
      },
    );
    this.writer.open();
  }

  /** False while a part of a frame has come. */
  get isBetweenFrames(): boolean {
    return this.reader.isBetweenFrames;
  }

  /** Frames may be as long as in that lane from now on. Between two frames alone. */
  moveTo(lane: Lane): void {
    this.reader.moveTo(lane);
  }

  /** Aborts when the connection is of no use any more. */
  get signal(): AbortSignal {
    return this.failure.signal;
  }

  send<T extends MessageType>(type: T, body: Messages[T]): void {
    this.signal.throwIfAborted();
    this.writer.send(type, body);
  }

  /** Takes nothing more from the other side, until it is told to go on. */
  hold(): void {
    this.options.channel.hold();
  }

  goOn(): void {
    this.options.channel.goOn();
  }

  /** Where to build the next batch; waits for a free slot, but not longer than `patienceMs`. */
  async slot(patienceMs: number): Promise<number> {
    if (this.writer.hasSlot) return this.writer.slot(this.signal);
    return this.patiently(patienceMs, this.writer.slot(this.signal), 'took no data');
  }

  /** Resolves when the channel has taken everything. */
  drained(patienceMs: number): Promise<void> {
    return this.patiently(patienceMs, this.writer.drained(this.signal), 'took no data');
  }

  /** The next message. Rejects when the connection has failed and nothing is left in the inbox, or after `timeoutMs`. */
  async next(timeoutMs = Infinity): Promise<Message> {
    if (this.inbox.length === 0) {
      const arrival = until(this.signal, new Promise<void>((resolve) => (this.arrived = resolve)));
      await this.patiently(timeoutMs, arrival, 'did not answer');
    }
    return this.inbox.shift()!;
  }

  /** The next message, which must be of that type. */
  async expect<T extends MessageType>(type: T, timeoutMs = Infinity): Promise<Messages[T]> {
    const message = await this.next(timeoutMs);
    if (message.type !== type) {
      throw new MigrationError('malformed', `the ${this.options.peer} sent ${message.type} where ${type} was due`);
    }
    return message.body as Messages[T];
  }

  /** Tells the other side why, and ends the connection for this one. */
  fail(error: MigrationError): void {
    if (this.signal.aborted) return;
    this.writer.send('ERROR', { code: error.code, message: error.message });
    this.abort(error);
  }

  /** Sends what is queued and closes; resolves when nothing of the connection is left. */
  close(): Promise<void> {
    this.isClosing = true;
    return this.options.channel.close(GRACE_MS);
  }

  /** What `promise` gives, or MigrationError `timeout`. */
  async patiently<T>(ms: number, promise: Promise<T>, failing: string): Promise<T> {
    if (ms === Infinity) return promise;
    const done = new AbortController();
    const timeout = this.options.clock.sleep(ms, done.signal).then(() => {
      throw new MigrationError('timeout', `the ${this.options.peer} ${failing} within ${ms / 1000} s`);
    });
    try {
      return await Promise.race([promise, timeout]);
    } finally {
      done.abort();
      timeout.catch(() => undefined); // the sleep that was cut short
    }
  }

  private receive(message: Message): void {
    if (message.type === 'ERROR') {
      const { code, message: text } = message.body;
      this.abort(new MigrationError(`remote_${code}`, `the ${this.options.peer} says: ${text}`));
      return;
    }
    this.inbox.push(message);
    this.arrived?.();
    this.arrived = null;
  }

  private abort(error: MigrationError): void {
    if (!this.isClosing) this.failure.abort(error);
  }
}
