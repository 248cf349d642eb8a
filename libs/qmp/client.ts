/** The client's side of QMP: talks to Drover's VMM and to QEMU alike. */
import { connect, type Socket } from 'node:net';
import type { QmpAddress } from './listen.js';
import { isObject, type QmpEvent, type QmpGreeting } from './protocol.js';
import { JsonSplitter } from './splitter.js';

/** A command answered with an error. */
export class QmpCommandError extends Error {
  constructor(
    readonly command: string,
    readonly errorClass: string,
    readonly desc: string,
  ) {
    super(`${command}: ${desc}`);
    this.name = 'QmpCommandError';
  }
}

/** The connection was lost, or never came to be; whether a command under way was carried out is not known. */
export class QmpConnectionError extends Error {
  override readonly name = 'QmpConnectionError';
}

interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export interface QmpClientOptions {
  /** How long to wait for the greeting and for each answer. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;

export class QmpClient {
  /** Resolves when the connection is gone, with the reason. */
  readonly closed: Promise<Error>;
  private readonly pending = new Map<string, Pending>();
  private readonly listeners = new Set<(event: QmpEvent) => void>();
  private readonly splitter = new JsonSplitter();
  private nextId = 1;
  private lost: Error | undefined;
  private resolveClosed: (reason: Error) => void = () => {};
  private greeted: (greeting: QmpGreeting) => void = () => {};

  private constructor(
    private readonly socket: Socket,
    private readonly timeoutMs: number,
  ) {
    this.closed = new Promise((resolve) => (this.resolveClosed = resolve));
    socket.setEncoding('utf8');
    socket.on('data', (characters) => this.receive(String(characters)));
    socket.on('error', (error) => this.lose(new QmpConnectionError(`QMP connection lost: ${error.message}`)));
    socket.on('close', () => this.lose(new QmpConnectionError('QMP connection closed by the other end')));
  }

  /** Connects and negotiates. Throws a QmpConnectionError if nobody is there or whoever is does not speak QMP. */
  static async connect(
    address: QmpAddress,
    { timeoutMs = DEFAULT_TIMEOUT_MS }: QmpClientOptions = {},
  ): Promise<QmpClient> {
    const client = new QmpClient(connect(address), timeoutMs);
    const greeting = new Promise<void>((resolve) => (client.greeted = () => resolve()));
    const timer = setTimeout(() => client.lose(new QmpConnectionError('QMP: no greeting in time')), timeoutMs);
    try {
      await Promise.race([greeting, client.closed.then((reason) => Promise.reject(reason))]);
    } finally {
      clearTimeout(timer);
    }
    await client.execute('qmp_capabilities');
    return client;
  }

  /**
   * Carries out a command and resolves to what it returns. Any number may be under way. Throws a QmpCommandError with
   * the server's class and desc, or a QmpConnectionError when the connection is lost or no answer comes in time.
   */
  async execute<Result = unknown>(
    command: string,
    given?: Readonly<Record<string, unknown>>,
    { timeoutMs = this.timeoutMs }: QmpClientOptions = {},
  ): Promise<Result> {
    if (this.lost) throw this.lost;
    const id = `drover-${this.nextId++}`;
    return await new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new QmpConnectionError(`${command}: no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.pending.set(id, { command, resolve, reject, timer });
      this.socket.write(`${JSON.stringify({ execute: command, arguments: given, id })}\r\n`);
    }).then((value) => value as Result);
  }

  /** Calls `listener` with each event from now on; returns how to end that. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Resolves with the next event of that name. Throws a QmpConnectionError if none comes in time. */
  async nextEvent(name: string, { timeoutMs = this.timeoutMs }: QmpClientOptions = {}): Promise<QmpEvent> {
    return await new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        stop();
        settle();
      };
      const stop = this.onEvent((event) => event.event === name && finish(() => resolve(event)));
      const late = new QmpConnectionError(`no event ${name} within ${timeoutMs} ms`);
      const timer = setTimeout(() => finish(() => reject(late)), timeoutMs);
      void this.closed.then((reason) => finish(() => reject(reason)));
    });
  }

  /** Ends the connection; commands under way are rejected. */
  close(): void {
    this.lose(new QmpConnectionError('QMP connection closed'));
  }

  private receive(characters: string): void {
    try {
      for (const piece of this.splitter.push(characters)) {
        if (!('json' in piece) || !isObject(piece.json)) throw new Error(`not a QMP message: ${preview(piece)}`);
        this.dispatch(piece.json);
      }
    } catch (error) {
      this.lose(new QmpConnectionError(`QMP: ${(error as Error).message}`));
    }
  }

  private dispatch(message: Record<string, unknown>): void {
    if ('QMP' in message) this.greeted(message as unknown as QmpGreeting);
    else if ('event' in message) for (const listener of this.listeners) listener(message as unknown as QmpEvent);
    else this.answer(message);
  }

  private answer(message: Record<string, unknown>): void {
    const pending = this.pending.get(String(message.id));
    if (!pending) return; // the answer to a command that was given up
    this.pending.delete(String(message.id));
    clearTimeout(pending.timer);
    if (!isObject(message.error)) return pending.resolve(message.return);
    pending.reject(new QmpCommandError(pending.command, String(message.error.class), String(message.error.desc)));
  }

  private lose(reason: Error): void {
    if (this.lost) return;
    this.lost = reason;
    this.socket.destroy();
    for (const { reject, timer } of this.pending.values()) {
      clearTimeout(timer);
      reject(reason);
    }
    this.pending.clear();
    this.resolveClosed(reason);
  }
}

const preview = (piece: object): string => JSON.stringify(piece).slice(0, 80);
