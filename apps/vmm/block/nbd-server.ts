/** The NBD server of this process: one listener, its exports, and the clients that have come. */
import { NbdConnectionError, NbdServerSession, type NbdExport } from '#nbd';
import type { Server, Socket } from 'node:net';
import { listenAt, type MigrationAddress } from '../migration-address.js';
import { admit } from '../migration-tls.js';
import type { TlsCredentials } from '../tls-credentials.js';
import { socketStream } from './nbd-socket.js';

/** A client has this long to choose an export. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** What is under way for a client gets this long to be answered when its export ends. */
const END_TIMEOUT_MS = 1000;
/** At most so many clients unless nbd-server-start says otherwise. */
const MAX_CONNECTIONS = 100;

export interface NamedExport {
  readonly id: string;
  /** The drive that is exported. */
  readonly drive: string;
  readonly disk: NbdExport;
}

export class NbdServer {
  private listener: Server | undefined;
  private bound: MigrationAddress | undefined;
  private readonly exported = new Map<string, NamedExport>();
  private readonly sessions = new Map<NbdServerSession, Socket>();

  constructor(private readonly log: (line: string) => void) {}

  /** Where it listens; undefined if it does not. */
  get address(): MigrationAddress | undefined {
    return this.bound;
  }

  get exports(): readonly NamedExport[] {
    return [...this.exported.values()];
  }

  /** `tls`: whoever has no certificate gets nothing; null: anybody is served. Throws an Error if it runs already, or cannot listen there. */
  async start(
    address: MigrationAddress,
    tls: TlsCredentials | null = null,
    maxConnections = MAX_CONNECTIONS,
  ): Promise<void> {
    if (this.listener) throw new Error('NBD server already running');
    const { server, bound } = await listenAt(address);
    server.maxConnections = maxConnections;
    server.on('connection', (socket) => void this.serve(socket, tls));
    this.listener = server;
    this.bound = bound;
  }

  /** Takes all exports away and listens no more; nothing if it does not run. */
  async stop(): Promise<void> {
    this.listener?.close();
    this.listener = undefined;
    this.bound = undefined;
    for (const { id } of this.exports) await this.remove(id);
    await Promise.all([...this.sessions.keys()].map((session) => this.end(session)));
  }

  /** Throws an Error if the server does not run, or id or name are taken. */
  add(named: NamedExport): void {
    if (!this.listener) throw new Error('NBD server not running: nbd-server-start comes first');
    if (this.exported.has(named.id)) throw new Error(`Block export id '${named.id}' is already in use`);
    if (this.exports.some(({ disk }) => disk.name === named.disk.name)) {
      throw new Error(`NBD server already has export named '${named.disk.name}'`);
    }
    this.exported.set(named.id, named);
  }

  isInUse(id: string): boolean {
    return this.clientsOf(id).length > 0;
  }

  /** Nobody gets this export any more; resolves when its clients are gone and nothing of theirs is under way. */
  async remove(id: string): Promise<void> {
    const clients = this.clientsOf(id);
    this.exported.delete(id);
    await Promise.all(clients.map((session) => this.end(session)));
  }

  /** No disk is written by a client any more. */
  async endWriters(): Promise<void> {
    for (const { id, disk } of this.exports) if (!disk.isReadOnly) await this.remove(id);
  }

  private clientsOf(id: string): NbdServerSession[] {
    const disk = this.exported.get(id)?.disk;
    return [...this.sessions.keys()].filter((session) => disk && session.export === disk);
  }

  /** A client that does not take its answers is waited for no longer than this. */
  private async end(session: NbdServerSession): Promise<void> {
    const cut = setTimeout(() => this.sessions.get(session)?.destroy(), END_TIMEOUT_MS);
    await session.end();
    clearTimeout(cut);
  }

  private async serve(socket: Socket, tls: TlsCredentials | null): Promise<void> {
    const exports = {
      find: (name: string) => this.exports.find(({ disk }) => disk.name === name)?.disk,
      list: () => this.exports.map(({ disk }) => disk),
    };
    const session = new NbdServerSession(
      socketStream(socket),
      exports,
      (error) => this.log(`NBD server: ${String(error)}`),
      tls && (async () => socketStream(await admit(socket, tls))),
    );
    const timer = setTimeout(() => {
      if (!session.export) socket.destroy();
    }, HANDSHAKE_TIMEOUT_MS);
    this.sessions.set(session, socket);
    try {
      await session.run();
    } catch (error) {
      if (!(error instanceof NbdConnectionError)) throw error;
      this.log(`NBD server: a client: ${error.message}`);
    } finally {
      clearTimeout(timer);
      this.sessions.delete(session);
    }
  }
}
