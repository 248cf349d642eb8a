/**
 * The server's side of QMP without its transport: commands registered by name, sessions that each negotiate, execute in
 * order and hear all events. A session is fed characters and writes lines; what it is sent harms nobody else.
 */
import { checkArguments, type ArgumentChecks, type CheckedArguments } from './arguments.js';
import { isObject, QmpError, timestamp, type QmpEvent, type QmpReply, type QmpVersion } from './protocol.js';
import { JsonSplitter, type Piece } from './splitter.js';
import { Throttle, THROTTLED_EVENTS } from './throttle.js';

/** So many messages in a row that are not QMP, and the session is closed. */
const MAX_ERRORS_IN_A_ROW = 32;

export interface QmpTransport {
  /** Sends one message; `line` ends in CR LF. */
  write(line: string): void;
  close(): void;
}

export interface QmpSession {
  receive(characters: string): void;
  /** The other end is gone: nothing more is written. */
  closed(): void;
}

interface Command {
  readonly checks: ArgumentChecks;
  readonly handler: (given: never) => unknown;
}

export interface QmpServerOptions {
  readonly version: QmpVersion;
  /** Names of the events that `emit` may be called with, for query-events. */
  readonly events: readonly string[];
  /** The host's wall clock in milliseconds. */
  now(): number;
  /** Errors of handlers that are no QmpError: bugs, to be logged; the client is told as a GenericError. */
  onInternalError(command: string, error: unknown): void;
}

export class QmpServer {
  private readonly commands = new Map<string, Command>();
  private readonly sessions = new Set<Session>();
  private readonly throttles = new Map(
    THROTTLED_EVENTS.map((event) => [event, new Throttle<QmpEvent>((message) => this.send(message))]),
  );

  constructor(private readonly options: QmpServerOptions) {
    this.register('query-version', {}, () => options.version);
    this.register('query-commands', {}, () => [...this.commands.keys()].toSorted().map((name) => ({ name })));
    this.register('query-events', {}, () => options.events.map((name) => ({ name })));
  }

  /** Adds a command. What the handler returns, or resolves to, is the answer; undefined answers {}. */
  register<Checks extends ArgumentChecks>(
    name: string,
    checks: Checks,
    handler: (given: CheckedArguments<Checks>) => unknown,
  ): void {
    if (this.commands.has(name)) throw new Error(`QMP command ${name} is registered twice`);
    this.commands.set(name, { checks, handler });
  }

  /** Sends an event to every session that has negotiated; those of THROTTLED_EVENTS not more than once a second. */
  emit(event: string, data?: Readonly<Record<string, unknown>>): void {
    if (!this.options.events.includes(event)) throw new Error(`QMP event ${event} is not declared`);
    const message: QmpEvent = { timestamp: timestamp(this.options.now()), event, ...(data && { data }) };
    const throttle = this.throttles.get(event);
    if (throttle) throttle.push(message);
    else this.send(message);
  }

  /** Begins a session with a client that has just connected: sends the greeting. */
  connect(transport: QmpTransport): QmpSession {
    const session = new Session(transport, this.options.version, {
      execute: (name, given) => this.execute(name, given),
      ended: () => this.sessions.delete(session),
    });
    this.sessions.add(session);
    return session;
  }

  private send(message: QmpEvent): void {
    for (const session of this.sessions) session.event(message);
  }

  private async execute(name: string, given: Record<string, unknown>): Promise<unknown> {
    const command = this.commands.get(name);
    if (!command) throw new QmpError(`there is no command '${name}'`, 'CommandNotFound');
    const checked = checkArguments(given, command.checks);
    try {
      return (await command.handler(checked as never)) ?? {};
    } catch (error) {
      if (!(error instanceof QmpError)) this.options.onInternalError(name, error);
      throw error;
    }
  }
}

interface SessionPorts {
  execute(name: string, given: Record<string, unknown>): Promise<unknown>;
  ended(): void;
}

class Session implements QmpSession {
  private readonly splitter = new JsonSplitter();
  private negotiated = false;
  private open = true;
  private errorsInARow = 0;
  /** Commands of one session are carried out one after the other, as they came. */
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly transport: QmpTransport,
    version: QmpVersion,
    private readonly ports: SessionPorts,
  ) {
    this.send({ QMP: { version, capabilities: [] } });
  }

  receive(characters: string): void {
    if (!this.open) return;
    try {
      for (const piece of this.splitter.push(characters)) this.last = this.last.then(() => this.handle(piece));
    } catch (error) {
      this.last = this.last.then(() => this.giveUp((error as Error).message));
    }
  }

  closed(): void {
    this.open = false;
    this.ports.ended();
  }

  event(event: QmpEvent): void {
    if (this.negotiated) this.send(event);
  }

  private async handle(piece: Piece): Promise<void> {
    if (!this.open) return;
    const reply = 'json' in piece ? await this.reply(piece.json) : failure(new QmpError('that is not JSON'));
    this.send(reply);
    this.errorsInARow = 'error' in reply ? this.errorsInARow + 1 : 0;
    if (this.errorsInARow >= MAX_ERRORS_IN_A_ROW) this.giveUp(`${MAX_ERRORS_IN_A_ROW} errors in a row`);
  }

  private async reply(message: unknown): Promise<QmpReply> {
    const id = isObject(message) && 'id' in message ? { id: message.id } : {};
    try {
      const { name, given } = parseCommand(message);
      return { return: await this.execute(name, given), ...id };
    } catch (error) {
      return { ...failure(error), ...id };
    }
  }

  private async execute(name: string, given: Record<string, unknown>): Promise<unknown> {
    if (name === 'qmp_capabilities') {
      if (this.negotiated) throw new QmpError('capabilities are negotiated already', 'CommandNotFound');
      if (Array.isArray(given.enable) && given.enable.length > 0) {
        throw new QmpError(`capability '${String(given.enable[0])}' is not offered`);
      }
      this.negotiated = true;
      return {};
    }
    if (!this.negotiated) {
      throw new QmpError(`negotiate first: 'qmp_capabilities' comes before '${name}'`, 'CommandNotFound');
    }
    return await this.ports.execute(name, given);
  }

  private giveUp(reason: string): void {
    if (!this.open) return;
    this.send(failure(new QmpError(`this connection is closed: ${reason}`)));
    this.closed();
    this.transport.close();
  }

  private send(message: object): void {
    if (this.open) this.transport.write(`${JSON.stringify(message)}\r\n`);
  }
}

function failure(error: unknown): { readonly error: { readonly class: string; readonly desc: string } } {
  if (error instanceof QmpError) return { error: { class: error.errorClass, desc: error.desc } };
  return { error: { class: 'GenericError', desc: error instanceof Error ? error.message : String(error) } };
}

function parseCommand(message: unknown): { name: string; given: Record<string, unknown> } {
  if (!isObject(message)) throw new QmpError('a command is a JSON object');
  const unknown = Object.keys(message).find((key) => !['execute', 'arguments', 'id'].includes(key));
  if (unknown !== undefined) throw new QmpError(`a command has no member '${unknown}'`);
  if (typeof message.execute !== 'string') throw new QmpError("a command needs 'execute' with the command's name");
  const given = message.arguments ?? {};
  if (!isObject(given)) throw new QmpError("'arguments' must be an object");
  return { name: message.execute, given };
}
