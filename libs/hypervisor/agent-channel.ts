/**
 * The channel to a guest's agent (QEMU guest agent's protocol, qga/qapi-schema.json): JSON objects, one to a line, over
 * a socket behind which there may be nobody, somebody who was asked something else before, or a guest that lies. So every
 * conversation begins with guest-sync-delimited: what comes before its answer is nobody's.
 */
import { randomInt } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** The agent has answered with an error. */
export class AgentCommandError extends Error {
  override readonly name = 'AgentCommandError';
}

/** The agent did not answer, or not so that it could be understood. */
export class AgentSilence extends Error {
  override readonly name = 'AgentSilence';
}

/** Never part of UTF-8: makes the agent's parser forget what it has, and comes before a delimited answer. */
const SENTINEL = 0xff;
const NEWLINE = 0x0a;
const MAX_ID = 2 ** 31;
/** An agent that answers with more than that is no agent. */
const MAX_LINE_BYTES = 1024 * 1024;
const CONNECT_TIMEOUT_MS = 1000;

export interface AgentChannelOptions {
  /** The Unix socket of the VM's port. */
  readonly path: string;
  /** For how long an answer is waited for, unless a command says otherwise. */
  readonly timeoutMs?: number;
}

export class AgentChannel {
  private readonly timeoutMs: number;
  private socket: Socket | undefined;
  private isSynchronized = false;
  private received: Buffer = Buffer.alloc(0);
  private onReceived: () => void = () => undefined;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: AgentChannelOptions) {
    this.timeoutMs = options.timeoutMs ?? 5000;
  }

  /**
   * Carries out a command, after those before it, and resolves to what the agent returns, which is the guest's word.
   * Rejects with an AgentCommandError if the agent refuses, or an AgentSilence.
   */
  execute(command: string, given?: object, timeoutMs = this.timeoutMs): Promise<unknown> {
    return this.inTurn(async () => {
      await this.synchronize();
      this.send({ execute: command, ...(given && { arguments: given }) });
      return await this.answer(command, performance.now() + timeoutMs);
    });
  }

  /** For commands whose success is not answered: resolves if no error comes for a while, or if the agent goes. */
  order(command: string, given: object, patienceMs: number): Promise<void> {
    return this.inTurn(async () => {
      await this.synchronize();
      this.send({ execute: command, arguments: given });
      try {
        await this.answer(command, performance.now() + patienceMs);
      } catch (error) {
        if (!(error instanceof AgentSilence)) throw error;
      }
    });
  }

  /** Lets go of the socket; the next command connects again. */
  close(): void {
    this.socket?.destroy();
    this.forget();
  }

  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.last.then(action);
    this.last = result.catch(() => undefined);
    return result;
  }

  private async synchronize(): Promise<void> {
    if (this.isSynchronized && this.socket) return;
    this.socket ??= await this.connect();
    const id = randomInt(MAX_ID);
    this.received = Buffer.alloc(0);
    this.socket.write(Buffer.of(SENTINEL));
    this.send({ execute: 'guest-sync-delimited', arguments: { id } });
    const deadline = performance.now() + this.timeoutMs;
    for (;;) {
      await this.skipTo(SENTINEL, deadline);
      const answer = parse(await this.line(deadline));
      if (answer?.return === id) break;
    }
    this.isSynchronized = true;
  }

  private async connect(): Promise<Socket> {
    const { path } = this.options;
    const socket = connect(path);
    socket.on('error', () => socket.destroy());
    const late = setTimeout(() => socket.destroy(), CONNECT_TIMEOUT_MS);
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('close', () => resolve(false));
    });
    clearTimeout(late);
    if (!isOpen) throw new AgentSilence(`nobody listens at ${path}`);
    socket.on('data', (bytes) => this.receive(bytes));
    socket.on('close', () => this.socket === socket && this.forget());
    return socket;
  }

  private receive(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes]);
    if (this.received.length > MAX_LINE_BYTES) this.close();
    this.onReceived();
  }

  private forget(): void {
    this.socket = undefined;
    this.isSynchronized = false;
    this.onReceived();
  }

  private send(message: object): void {
    this.socket?.write(`${JSON.stringify(message)}\n`);
  }

  private async answer(command: string, deadline: number): Promise<unknown> {
    const answer = parse(await this.line(deadline));
    if (answer && 'return' in answer) return answer.return;
    const desc = (answer?.error as { desc?: unknown } | undefined)?.desc;
    if (typeof desc === 'string') throw new AgentCommandError(`${command}: ${desc.slice(0, 500)}`);
    this.isSynchronized = false;
    throw new AgentSilence(`${command}: what the guest answers is no answer`);
  }

  private async skipTo(byte: number, deadline: number): Promise<void> {
    for (;;) {
      const at = this.received.indexOf(byte);
      this.received = at < 0 ? Buffer.alloc(0) : this.received.subarray(at + 1);
      if (at >= 0) return;
      await this.more(deadline);
    }
  }

  private async line(deadline: number): Promise<Buffer> {
    for (;;) {
      const at = this.received.indexOf(NEWLINE);
      if (at >= 0) {
        const line = this.received.subarray(0, at);
        this.received = this.received.subarray(at + 1);
        return line;
      }
      await this.more(deadline);
    }
  }

  /** Waits for more bytes. Throws an AgentSilence when it is too late; then what comes later is nobody's. */
  private async more(deadline: number): Promise<void> {
    const waitMs = deadline - performance.now();
    const isHere = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), Math.max(0, waitMs));
      this.onReceived = () => {
        clearTimeout(timer);
        resolve(true);
      };
      if (!this.socket) this.onReceived();
    });
    if (isHere && this.socket) return;
    this.isSynchronized = false;
    throw new AgentSilence(isHere ? 'the connection to the guest agent is lost' : 'the guest agent does not answer');
  }
}

function parse(line: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // the caller says that it is no answer
  }
}
